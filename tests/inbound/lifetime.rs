//! Responses that outlive their token, with tokio's paused time as the clock of the service.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::HttpBody as _;
use axum::body::{Body, Bytes};
use axum::handler::Handler;
use axum::http::{Request, StatusCode};
use axum::routing::{get, post};
use countersign::authenticate::AuthenticateLayer;
use countersign::clock::{Clock, UnixTime};
use countersign::lifetime::{TokenEnd, TokenEndAction, TokenEnded, end_with_token};
use countersign::prelude::*;
use countersign_test::TestIssuer;
use countersign_tests::http::Service;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::ServiceExt;

use crate::app::good;

/// A clock that follows tokio's paused time, and whose wall clock can be set ahead.
#[derive(Debug)]
pub struct Paused {
    base: UnixTime,
    start: tokio::time::Instant,
    ahead: AtomicU64,
    behind: AtomicU64,
}

impl Paused {
    /// A clock that begins now, at the time of the issuer.
    pub fn new(issuer: &TestIssuer) -> Arc<Self> {
        Arc::new(Paused {
            base: issuer.clock().now(),
            start: tokio::time::Instant::now(),
            ahead: AtomicU64::new(0),
            behind: AtomicU64::new(0),
        })
    }
}

impl Clock for Paused {
    fn now(&self) -> UnixTime {
        let ahead = Duration::from_secs(self.ahead.load(Ordering::SeqCst));
        let behind = Duration::from_secs(self.behind.load(Ordering::SeqCst));
        self.base.saturating_add(self.elapsed()).saturating_add(ahead).saturating_sub(behind)
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

pub const LIFE: Duration = Duration::from_secs(300);

/// A body with one tick per second and no end.
fn ticks() -> Body {
    let stream = futures_util::stream::unfold(0, |count: u32| async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Some((Ok::<_, Infallible>(Bytes::from(format!("{count} "))), count + 1))
    });
    Body::from_stream(stream)
}

/// Counts the parts of a body up to its end or its error, in a header: the body of the response ends with the token.
async fn upload(request: Request<Body>) -> axum::response::Response {
    let (mut body, mut read) = (request.into_body(), 0);
    while let Some(Ok(_)) = body.frame().await {
        read += 1;
    }
    axum::response::Response::builder().header("x-read", read).body(Body::empty()).expect("a response")
}

struct App {
    router: Router,
    clock: Arc<Paused>,
    token: String,
}

impl App {
    fn new(action: TokenEndAction) -> Self {
        let issuer = TestIssuer::new();
        let clock = Paused::new(&issuer);
        let verifier = Verifier::builder().trust(issuer.trusted_for("api")).clock(Arc::clone(&clock) as Arc<dyn Clock>);
        let layer = AuthenticateLayer::builder(verifier.build().expect("a policy")).public(["/open"]);
        let layer = layer.build().expect("a layer");
        let limited = end_with_token(action);
        let router = Router::new()
            .route("/ticks", get((|| async { ticks() }).layer(limited.clone())))
            .route("/upload", post(upload.layer(limited.clone())))
            .route("/short", get((|| async { "short" }).layer(limited.clone())))
            .route("/open", get((|| async { "open" }).layer(limited)))
            .route("/end", get(|end: TokenEnd| async move { end.expires_at().as_secs().to_string() }))
            .layer(layer);
        App { router, clock, token: good(&issuer).lifetime(LIFE).sign() }
    }

    async fn get(&self, path: &str) -> axum::response::Response {
        let request = Request::get(path).header("authorization", format!("Bearer {}", self.token));
        let answer = self.router.clone().oneshot(request.body(Body::empty()).expect("a request")).await;
        answer.expect("answered")
    }
}

/// Reads to the end, or to the error.
async fn read(mut body: Body) -> (String, Option<axum::Error>) {
    let mut text = String::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => text.push_str(&String::from_utf8_lossy(&frame.into_data().expect("data"))),
            Err(error) => return (text, Some(error)),
        }
    }
    (text, None)
}

/// A list tells of its revocations; a check that accepts a token once has none.
#[tokio::test(start_paused = true)]
async fn s11_06_s14_12_a_stream_ends_within_two_seconds_of_the_revocation_of_its_token() {
    use countersign::revocation::{Revocation, RevocationList, SingleUse};
    let list = Arc::new(RevocationList::new());
    for (revocation, is_list) in
        [(Revocation::new(Arc::clone(&list)), true), (Revocation::new(Arc::new(SingleUse::new())), false)]
    {
        let issuer = TestIssuer::new();
        let clock: Arc<dyn Clock> = Paused::new(&issuer);
        let verifier = Verifier::builder().trust(issuer.trusted_for("api")).clock(Arc::clone(&clock));
        let layer = AuthenticateLayer::builder(verifier.build().expect("a policy")).revocation(revocation);
        let router = Router::new()
            .route("/", get((|| async { ticks() }).layer(end_with_token(TokenEndAction::Finish("end".into())))))
            .layer(layer.build().expect("a layer"));
        let token = good(&issuer).claim("jti", "one").lifetime(LIFE).sign();
        let request = Request::get("/").header("authorization", format!("Bearer {token}"));
        let answer = router.oneshot(request.body(Body::empty()).expect("a request")).await.expect("answered");
        let start = tokio::time::Instant::now();
        if is_list {
            let (list, name, end) = (Arc::clone(&list), issuer.name().to_owned(), clock.now().saturating_add(LIFE));
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(20)).await;
                list.revoke_token(&name, "one", end).expect("room");
            });
        }
        let (text, error) = read(answer.into_body()).await;
        assert!(error.is_none() && text.ends_with("end"), "{text} {error:?}");
        let expected = if is_list { 20..=22 } else { 299..=301 };
        assert!(expected.contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_the_token_and_a_last_event() {
    let app = App::new(TokenEndAction::Finish("event: token_ended\n\n".into()));
    let (text, error) = read(app.get("/ticks").await.into_body()).await;
    assert!(error.is_none(), "{error:?}");
    assert!(text.starts_with("0 1 2 ") && text.ends_with("298 event: token_ended\n\n"), "{text}");
    assert_eq!(app.clock.elapsed().as_secs(), LIFE.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_download_is_aborted_so_that_it_does_not_look_complete() {
    let app = App::new(TokenEndAction::Abort);
    let (text, error) = read(app.get("/ticks").await.into_body()).await;
    assert!(text.ends_with("298 "), "{text}");
    let mut cause: &dyn std::error::Error = &error.expect("an error");
    while let Some(source) = cause.source() {
        cause = source;
    }
    assert!(cause.is::<TokenEnded>(), "{cause}");
}

#[tokio::test(start_paused = true)]
async fn with_warn_the_response_continues() {
    let app = App::new(TokenEndAction::Warn);
    let body = app.get("/ticks").await.into_body();
    let reading = tokio::time::timeout(LIFE * 2, read(body)).await;
    assert!(reading.is_err(), "it continues after the expiry");
}

#[tokio::test(start_paused = true)]
async fn short_responses_and_responses_without_a_token_are_unchanged() {
    for action in [TokenEndAction::Abort, TokenEndAction::Finish("x".into()), TokenEndAction::Warn] {
        let app = App::new(action.clone());
        let body = app.get("/short").await.into_body();
        let exact = (action != TokenEndAction::Finish("x".into())).then_some(5);
        assert_eq!(body.size_hint().exact(), exact, "an exact length only if the body cannot change");
        assert_eq!(read(body).await.0, "short");
        assert_eq!(read(app.get("/open").await.into_body()).await.0, "open");
    }
    let unguarded = Router::new().route("/", get((|| async { "in" }).layer(end_with_token(TokenEndAction::Abort))));
    let answer = unguarded.oneshot(Request::new(Body::empty())).await.expect("answered");
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR, "S5.24");
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_was_set_is_noticed_within_a_minute() {
    let app = App::new(TokenEndAction::Finish(Bytes::new()));
    let body = app.get("/ticks").await.into_body();
    app.clock.ahead.store(LIFE.as_secs(), Ordering::SeqCst);
    read(body).await;
    assert!(app.clock.elapsed() <= Duration::from_secs(60), "{:?}", app.clock.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_is_set_back_does_not_extend_a_stream() {
    let app = App::new(TokenEndAction::Finish(Bytes::new()));
    let body = app.get("/ticks").await.into_body();
    app.clock.behind.store(86_400, Ordering::SeqCst);
    read(body).await;
    assert_eq!(app.clock.elapsed().as_secs(), LIFE.as_secs());
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_outlives_its_token_ends_with_an_error() {
    for action in [TokenEndAction::Abort, TokenEndAction::Finish("x".into()), TokenEndAction::Warn] {
        let app = App::new(action.clone());
        let request = Request::post("/upload").header("authorization", format!("Bearer {}", app.token));
        let answer = app.router.clone().oneshot(request.body(ticks()).expect("a request"));
        match tokio::time::timeout(LIFE * 2, answer).await {
            Err(_) => assert_eq!(action, TokenEndAction::Warn, "it continues after the expiry"),
            Ok(answer) => {
                let lines = answer.expect("answered").headers()["x-read"].to_str().expect("text").to_owned();
                assert_eq!((lines.as_str(), app.clock.elapsed().as_secs()), ("299", LIFE.as_secs()));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_expiry_is_a_future_that_can_be_polled_again() {
    let app = App::new(TokenEndAction::Warn);
    let text = read(app.get("/end").await.into_body()).await.0;
    assert_eq!(text, (app.clock.base.as_secs() + LIFE.as_secs()).to_string());
    let (give, take) = tokio::sync::oneshot::channel();
    let give = Arc::new(std::sync::Mutex::new(Some(give)));
    let issuer = TestIssuer::new();
    let keep = tower::service_fn(move |request: Request<Body>| {
        let end = TokenEnd::from_extensions(request.extensions()).expect("a token");
        if let Some(give) = give.lock().expect("unpoisoned").take() {
            give.send(end).expect("somebody waits");
        }
        std::future::ready(Ok::<_, Infallible>(axum::response::Response::new(Body::empty())))
    });
    let clock = Paused::new(&issuer);
    let verifier = Verifier::builder().trust(issuer.trusted_for("api")).clock(Arc::clone(&clock) as Arc<dyn Clock>);
    let service = tower::Layer::layer(&AuthenticateLayer::new(verifier.build().expect("a policy")), keep);
    let token = good(&issuer).lifetime(LIFE).sign();
    let request = Request::get("/").header("authorization", format!("Bearer {token}")).body(Body::empty());
    service.oneshot(request.expect("a request")).await.expect("answered");
    let end = take.await.expect("an end");
    assert!(tokio::time::timeout(LIFE / 2, end.clone().reached()).await.is_err() && !end.is_reached());
    end.clone().reached().await;
    assert!(end.is_reached());
    assert_eq!(clock.elapsed().as_secs(), LIFE.as_secs());
}

/// S5.21: close code 1008 at the end of the token. Within the leeway a token is taken though it has ended: then at once.
#[tokio::test]
async fn s5_21_a_websocket_is_closed_with_1008_when_the_token_ends() {
    use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};

    async fn serve(mut socket: WebSocket, end: TokenEnd) {
        loop {
            let message = tokio::select! {
                () = end.clone().reached() => {
                    let close = CloseFrame { code: 1008, reason: "the token ended".into() };
                    let _ = socket.send(Message::Close(Some(close))).await;
                    return;
                }
                message = socket.recv() => message,
            };
            match message {
                Some(Ok(message @ Message::Text(_))) => socket.send(message).await.expect("sends"),
                Some(Ok(_)) => {}
                _ => return,
            }
        }
    }

    let issuer = TestIssuer::with_system_clock();
    let handler =
        get(|upgrade: WebSocketUpgrade, end: TokenEnd| async move { upgrade.on_upgrade(|socket| serve(socket, end)) });
    let layer = AuthenticateLayer::new(issuer.verifier_for("api"));
    let service = Service::start(Router::new().route("/", handler).layer(layer)).await;
    let open = async |token: &str| {
        let mut stream = service.connect().await;
        let request = format!(
            "GET / HTTP/1.1\r\nHost: api.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
             Authorization: Bearer {token}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.expect("sends");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("an answer"));
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        stream
    };

    let mut lasting = open(&good(&issuer).sign()).await;
    lasting.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']).await.expect("sends");
    let mut echo = [0; 4];
    lasting.read_exact(&mut echo).await.expect("an echo");
    assert_eq!(&echo, &[0x81, 2, b'h', b'i'], "it stays open while the token lasts");

    let mut ending = open(&good(&issuer).lifetime(Duration::from_secs(1)).sign()).await;
    let mut close = [0; 4];
    ending.read_exact(&mut close).await.expect("a frame");
    assert_eq!((close[0], u16::from_be_bytes([close[2], close[3]])), (0x88, 1008));
}

/// A revocation check that answers once and then hangs, with a limit that is longer than the token lives.
#[derive(Debug, Default)]
struct Hanging(std::sync::atomic::AtomicBool);

impl countersign::revocation::RevocationCheck for Hanging {
    fn check(&self, _: &Arc<countersign::verify::Verified>) -> countersign::revocation::RevocationQuery {
        use countersign::revocation::{RevocationQuery, RevocationStatus};
        match self.0.swap(true, Ordering::SeqCst) {
            false => RevocationQuery::Known(RevocationStatus::Valid),
            true => RevocationQuery::Pending(Box::pin(std::future::pending())),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn s15_10_a_stream_ends_with_its_token_while_the_revocation_check_hangs() {
    use countersign::revocation::Revocation;
    let issuer = TestIssuer::new();
    let clock: Arc<dyn Clock> = Paused::new(&issuer);
    let verifier = Verifier::builder().trust(issuer.trusted_for("api")).clock(clock).build().expect("a policy");
    let revocation = Revocation::new(Arc::new(Hanging::default())).timeout(LIFE * 10);
    let router = Router::new()
        .route("/", get((|| async { ticks() }).layer(end_with_token(TokenEndAction::Finish("end".into())))))
        .layer(AuthenticateLayer::builder(verifier).revocation(revocation).build().expect("a layer"));
    let token = good(&issuer).lifetime(LIFE).sign();
    let request = Request::get("/").header("authorization", format!("Bearer {token}"));
    let answer = router.oneshot(request.body(Body::empty()).expect("a request")).await.expect("answered");
    let start = tokio::time::Instant::now();
    let (text, error) = read(answer.into_body()).await;
    assert!(error.is_none() && text.ends_with("end"), "{error:?}");
    assert!((299..=301).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}
