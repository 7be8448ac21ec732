//! Many callers of one client, the end of a runtime, and clocks that are set.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::response::IntoResponse;
use countersign::authenticate::CallerToken;
use countersign::clock::UnixTime;
use countersign::outbound::{AttachTokenLayer, OutboundError, OutboundToken, TokenFuture, TokenRequest, TokenSource};
use countersign::secret::Secret;
use countersign_test::{ManualClock, TestIssuer, TokenDraft};
use tower::{Layer, Service, ServiceExt};

/// Counts the exchanges.
#[derive(Debug, Default)]
struct Exchanges(AtomicUsize);

impl TokenSource for Exchanges {
    fn token<'a>(&'a self, _: &'a TokenRequest) -> TokenFuture<'a> {
        let number = self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            OutboundToken::from_bearer(&Secret::from(format!("exchanged-{number}")), Some(Duration::from_secs(3000)))
        })
    }
}

type Inner = fn(http::Request<()>) -> std::future::Ready<Result<http::Response<()>, std::convert::Infallible>>;

fn answer(_: http::Request<()>) -> std::future::Ready<Result<http::Response<()>, std::convert::Infallible>> {
    std::future::ready(Ok(http::Response::new(())))
}

async fn call(layer: &AttachTokenLayer, caller: &CallerToken) -> Result<(), OutboundError> {
    let mut request = http::Request::get("https://billing.test/").body(()).expect("a request");
    request.extensions_mut().insert(caller.clone());
    let inner = tower::service_fn::<Inner>(answer);
    let mut service = layer.layer(inner);
    service.ready().await?.call(request).await.map(drop)
}

fn token(draft: TokenDraft) -> CallerToken {
    let token = draft.audience("orders").sign();
    CallerToken::unverified(&Secret::from(token), UnixTime::from_secs(4_000_000_000))
}

#[tokio::test]
async fn s15_01_a_client_with_ten_thousand_fresh_tokens_removes_no_other_caller() {
    let (issuer, other) = (TestIssuer::new(), TestIssuer::new().with_name("https://other.test"));
    let exchanges = Arc::new(Exchanges::default());
    let builder = AttachTokenLayer::builder().caller_cache_bytes(8 * 1024 * 1024);
    let layer = builder.bind("https://billing.test", Arc::clone(&exchanges)).build().expect("a layer");
    let users: Vec<_> = (0..200).map(|user| token(issuer.token().subject(format!("user-{user}")))).collect();
    for user in &users {
        call(&layer, user).await.expect("a token");
    }
    let flood: [&dyn Fn(usize) -> TokenDraft; 3] = [
        &|_| issuer.token().subject("busy").client_id("busy"),
        &|n| issuer.token().subject(format!("s-{n}")).client_id("busy"),
        &|n| other.token().subject(format!("s-{n}")).client_id(format!("c-{n}")),
    ];
    for draft in flood {
        for number in 0..4_000 {
            call(&layer, &token(draft(number))).await.expect("served too");
        }
        let before = exchanges.0.load(Ordering::SeqCst);
        for user in &users {
            call(&layer, user).await.expect("a token");
        }
        assert_eq!(exchanges.0.load(Ordering::SeqCst), before, "every user's token is still cached");
    }
    let stats = &layer.stats()[0].1;
    assert!(stats.caller_bytes <= 8 * 1024 * 1024 && stats.callers < 12_200, "{stats:?}");
}

/// Answers once the test lets it.
#[derive(Debug)]
struct SlowService {
    asked: AtomicUsize,
    answers: tokio::sync::watch::Sender<bool>,
}

impl TokenSource for SlowService {
    fn token<'a>(&'a self, _: &'a TokenRequest) -> TokenFuture<'a> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.subscribe();
        Box::pin(async move {
            let _ = answers.wait_for(|answers| *answers).await;
            OutboundToken::from_bearer(&Secret::from("exchanged"), Some(Duration::from_secs(3000)))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn s15_01_a_caller_with_many_tokens_leaves_a_slow_token_service_to_others() {
    let issuer = TestIssuer::new();
    let service = Arc::new(SlowService { asked: AtomicUsize::new(0), answers: tokio::sync::watch::Sender::new(false) });
    let layer =
        AttachTokenLayer::builder().bind("https://billing.test", Arc::clone(&service)).build().expect("a layer");
    let start = |caller: CallerToken| {
        let layer = layer.clone();
        tokio::spawn(async move { call(&layer, &caller).await })
    };
    let asked = || service.asked.load(Ordering::SeqCst);
    let busy = || token(issuer.token().subject("busy"));

    // Calls that are dropped leave their exchanges in progress.
    let dropped: Vec<_> = (0..8).map(|_| start(busy())).collect();
    while asked() < 8 {
        tokio::task::yield_now().await;
    }
    dropped.iter().for_each(tokio::task::JoinHandle::abort);
    let flood: Vec<_> = (0..500).map(|_| start(busy())).collect();
    let others: Vec<_> = (0..50).map(|n| start(token(issuer.token().subject(format!("user-{n}"))))).collect();
    let same_name = TestIssuer::new().with_name("https://other.test").token().subject("busy");
    let another = start(token(same_name));
    let own = tokio::spawn(
        layer
            .layer(tower::service_fn::<Inner>(answer))
            .oneshot(http::Request::get("https://billing.test/").body(()).expect("a request")),
    );
    let (mut waiting, mut refused) = (Vec::new(), 0);
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(asked(), 16 + 50 + 1 + 1, "16 of one subject, however many tokens it has, and everybody else's");
    for call in flood {
        match call.is_finished() {
            false => waiting.push(call),
            true => {
                let error = call.await.expect("no panic").expect_err("over its share");
                assert!(error.is_transient() && error.retry_after() == Some(Duration::from_secs(1)), "{error}");
                let answer = error.into_response();
                assert_eq!(
                    (answer.status().as_u16(), &answer.headers()["retry-after"]),
                    (503, &"1".parse().expect("a value"))
                );
                refused += 1;
            }
        }
    }
    assert_eq!((waiting.len(), refused), (8, 492));

    service.answers.send_replace(true);
    for call in others.into_iter().chain(waiting).chain([another]) {
        call.await.expect("no panic").expect("a token in its turn");
    }
    own.await.expect("no panic").expect("a token of the service itself");
    call(&layer, &busy()).await.expect("its share is free again");
    assert_eq!(asked(), 69);
}

#[tokio::test(start_paused = true)]
async fn s15_01_one_client_with_many_subjects_leaves_a_slow_token_service_to_other_clients() {
    let issuer = TestIssuer::new();
    let service = Arc::new(SlowService { asked: AtomicUsize::new(0), answers: tokio::sync::watch::Sender::new(false) });
    let layer =
        AttachTokenLayer::builder().bind("https://billing.test", Arc::clone(&service)).build().expect("a layer");
    let start = |client: &str, subject: String| {
        let (layer, caller) = (layer.clone(), token(issuer.token().client_id(client).subject(subject)));
        tokio::spawn(async move { call(&layer, &caller).await })
    };
    let asked = async || {
        for _ in 0..3_000 {
            tokio::task::yield_now().await;
        }
        service.asked.load(Ordering::SeqCst)
    };
    let flood: Vec<_> = (0..1_000).map(|n| start("partner", format!("s-{n}"))).collect();
    assert_eq!(asked().await, 512);
    let second: Vec<_> = (0..1_000).map(|n| start("other-partner", format!("t-{n}"))).collect();
    assert_eq!(asked().await, 512 + 256);
    let others: Vec<_> = (0..100).map(|n| start("web", format!("user-{n}"))).collect();
    assert_eq!(asked().await, 512 + 256 + 100, "every user of another client");
    service.answers.send_replace(true);
    for call in others {
        call.await.expect("no panic").expect("a token");
    }
    drop((flood, second));
}

/// As [`SlowService`], without a cache.
#[derive(Debug)]
struct Uncached(Arc<SlowService>);

impl TokenSource for Uncached {
    fn token<'a>(&'a self, request: &'a TokenRequest) -> TokenFuture<'a> {
        self.0.token(request)
    }

    fn refresh_policy(&self) -> Option<countersign::outbound::RefreshPolicy> {
        None
    }
}

#[tokio::test(start_paused = true)]
async fn s15_01_a_caller_leaves_a_slow_token_service_to_others_if_tokens_are_not_cached() {
    let issuer = TestIssuer::new();
    let service = Arc::new(SlowService { asked: AtomicUsize::new(0), answers: tokio::sync::watch::Sender::new(false) });
    let source = Uncached(Arc::clone(&service));
    let layer = AttachTokenLayer::builder().bind("https://billing.test", source).build().expect("a layer");
    let start = |caller: CallerToken| {
        let layer = layer.clone();
        tokio::spawn(async move { call(&layer, &caller).await })
    };
    let busy = || token(issuer.token().subject("busy"));
    let flood: Vec<_> = (0..500).map(|_| start(busy())).collect();
    let others: Vec<_> = (0..50).map(|n| start(token(issuer.token().subject(format!("user-{n}"))))).collect();
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    let asked = || service.asked.load(Ordering::SeqCst);
    assert_eq!(asked(), 16 + 50, "16 of one subject, and everybody else's");
    let (waiting, refused): (Vec<_>, Vec<_>) = flood.into_iter().partition(|call| !call.is_finished());
    assert_eq!((waiting.len(), refused.len()), (16, 484));
    for call in refused {
        let error = call.await.expect("no panic").expect_err("over its share");
        assert!(error.is_transient() && error.retry_after() == Some(Duration::from_secs(1)), "{error}");
    }
    // Calls that are dropped end their exchanges.
    waiting.iter().take(8).for_each(tokio::task::JoinHandle::abort);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let again: Vec<_> = (0..8).map(|_| start(busy())).collect();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(asked(), 16 + 50 + 8);
    service.answers.send_replace(true);
    for call in others.into_iter().chain(waiting.into_iter().skip(8)).chain(again) {
        call.await.expect("no panic").expect("a token in its turn");
    }
}

/// Hangs in its first fetch.
#[derive(Debug, Default)]
struct HangsOnce(AtomicUsize);

impl TokenSource for HangsOnce {
    fn token<'a>(&'a self, _: &'a TokenRequest) -> TokenFuture<'a> {
        let number = self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            if number == 0 {
                std::future::pending::<()>().await;
            }
            OutboundToken::from_bearer(&Secret::from("a-token"), None)
        })
    }
}

#[test]
fn s7_11_a_runtime_that_ends_during_a_fetch_fails_no_call_of_the_next() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let source = Arc::new(HangsOnce::default());
    let clock = ManualClock::new(UnixTime::from_secs(1000)); // no time passes
    let builder = AttachTokenLayer::builder().clock(Arc::new(clock));
    let layer = builder.bind("https://billing.test", Arc::clone(&source)).build().expect("a layer");
    let call = |layer: AttachTokenLayer| async move {
        let request = http::Request::get("https://billing.test/").body(()).expect("a request");
        layer.layer(tower::service_fn::<Inner>(answer)).oneshot(request).await.map(drop)
    };
    let (first, second) = (runtime(), runtime());
    first.block_on(async {
        tokio::spawn(call(layer.clone()));
        while source.0.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    });
    // A caller on the second runtime waits for the fetch of the first when that one ends.
    let waits = second.spawn(call(layer.clone()));
    second.block_on(tokio::task::yield_now());
    drop(first);
    second.block_on(waits).expect("no panic").expect("a token, fetched by the second runtime");
    assert_eq!(source.0.load(Ordering::SeqCst), 2);

    let source = Arc::new(HangsOnce::default());
    let layer = AttachTokenLayer::builder().bind("https://billing.test", Arc::clone(&source)).build().expect("a layer");
    let first = runtime();
    first.block_on(async {
        tokio::spawn(call(layer.clone()));
        while source.0.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    });
    drop(first);
    second.block_on(call(layer)).expect("at once");
}

#[tokio::test]
async fn s7_13_lives_survive_a_wall_clock_that_goes_ahead_and_comes_back() {
    let exchanges = Arc::new(Exchanges::default());
    let clock = ManualClock::new(UnixTime::from_secs(1_700_000_000));
    let builder = AttachTokenLayer::builder().clock(Arc::new(clock.clone()));
    let layer = builder.bind("https://billing.test", Arc::clone(&exchanges)).build().expect("a layer");
    let expires_at = UnixTime::from_secs(1_700_003_600);
    let ann = CallerToken::unverified(&Secret::from("e30.e30.ann"), expires_at);
    let own = async || {
        let request = http::Request::get("https://billing.test/").body(()).expect("a request");
        layer.layer(tower::service_fn::<Inner>(answer)).oneshot(request).await.map(drop)
    };
    call(&layer, &ann).await.expect("a token");
    own().await.expect("a token");
    for wall in [1_700_100_000, 1_600_000_000, 1_700_000_000] {
        clock.step_wall(UnixTime::from_secs(wall));
        own().await.expect("the cached token");
        let is_over = UnixTime::from_secs(wall) >= expires_at;
        assert_eq!(call(&layer, &ann).await.err().map(|error| error.code()), is_over.then_some("subject_expired"));
    }
    assert_eq!(exchanges.0.load(Ordering::SeqCst), 2, "both tokens stayed cached");
    clock.step_wall(UnixTime::from_secs(1_600_000_000));
    clock.advance(Duration::from_secs(3000));
    own().await.expect("a newer token");
    call(&layer, &ann).await.expect("a newer token");
    assert_eq!(exchanges.0.load(Ordering::SeqCst), 4, "lifetimes passed by the time that really passed");
}
