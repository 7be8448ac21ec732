//! Many tokens of one caller: what their exchanges take, and that they give it back.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use base64_simd::URL_SAFE_NO_PAD;
use countersign_core::clock::UnixTime;
use countersign_core::secret::Secret;
use countersign_test::ManualClock;
use tokio::sync::watch;

use super::cached::{CALLER_CACHE_BYTES, CachedTokens};
use super::token::OutboundToken;
use super::token_source::{TokenFuture, TokenRequest, TokenSource};
use crate::authenticate::CallerToken;

/// The share of one subject.
const SHARE: usize = 16;

/// A token service that answers once the test lets it.
#[derive(Debug)]
struct Service {
    asked: AtomicUsize,
    answers: watch::Sender<bool>,
}

impl TokenSource for Service {
    fn token<'a>(&'a self, _: &'a TokenRequest) -> TokenFuture<'a> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.subscribe();
        Box::pin(async move {
            let _ = answers.wait_for(|answers| *answers).await;
            OutboundToken::from_bearer(&Secret::from("exchanged"), Some(Duration::from_secs(300)))
        })
    }
}

impl Service {
    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Lets every fetch start that can.
    async fn settle(&self) -> usize {
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        self.asked()
    }
}

fn world(answers: bool) -> (CachedTokens, Arc<Service>, ManualClock) {
    let service = Arc::new(Service { asked: AtomicUsize::new(0), answers: watch::Sender::new(answers) });
    let clock = ManualClock::new(UnixTime::from_secs(1000));
    let source = Arc::clone(&service) as Arc<dyn TokenSource>;
    (CachedTokens::new(source, Arc::new(clock.clone()), "test", CALLER_CACHE_BYTES), service, clock)
}

/// One of the tokens of one subject.
fn ann(number: usize) -> CallerToken {
    let claims = URL_SAFE_NO_PAD.encode_to_string(r#"{"iss":"https://id.test","sub":"ann"}"#);
    CallerToken::new(format!("e30.{claims}.{number}"), UnixTime::from_secs(4000))
}

#[tokio::test]
async fn s15_01_an_exchange_without_a_place_is_no_failure_of_the_token_service() {
    let (cached, service, _) = world(false);
    let start = |number| {
        let cached = cached.clone();
        tokio::spawn(async move { cached.token(Some(&ann(number))).await })
    };
    let waiting: Vec<_> = (0..SHARE).map(start).collect();
    assert_eq!(service.settle().await, SHARE);
    let late = ann(SHARE);
    assert!(cached.token(Some(&late)).await.expect_err("over the share").is_transient());
    service.answers.send_replace(true);
    for call in waiting {
        call.await.expect("no panic").expect("a token");
    }
    cached.token(Some(&late)).await.expect("at once: nothing failed that would need a pause");
    assert_eq!((service.asked(), cached.stats().failures), (SHARE + 1, 0));
}

#[tokio::test]
async fn s15_01_renewals_of_cached_tokens_take_no_more_places_than_their_share() {
    let (cached, service, clock) = world(true);
    let callers: Vec<_> = (0..SHARE * 2).map(ann).collect();
    for caller in &callers {
        cached.token(Some(caller)).await.expect("a token");
    }
    assert_eq!(service.asked(), SHARE * 2);
    service.answers.send_replace(false);
    clock.advance(Duration::from_secs(285)); // due, and still usable
    for caller in &callers {
        cached.token(Some(caller)).await.expect("the cached token");
    }
    assert_eq!(service.settle().await, SHARE * 3);
}

#[test]
fn s15_01_an_exchange_that_its_runtime_never_started_gives_its_place_back() {
    let (cached, service, _) = world(true);
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime().block_on(async {
        for number in 0..SHARE {
            let caller = ann(number);
            let mut call = pin!(cached.token(Some(&caller)));
            let is_pending = std::future::poll_fn(|context| Poll::Ready(call.as_mut().poll(context).is_pending()));
            assert!(is_pending.await);
        }
    });
    assert_eq!(service.asked(), 0, "their tasks ended with the runtime");
    runtime().block_on(cached.token(Some(&ann(SHARE)))).expect("the share is free");
}
