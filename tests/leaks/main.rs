//! Nothing of a token reaches a log, whatever the level and whichever crate writes it: CONFORMANCE S10.01 to S10.04.

use axum::Router;
use axum::routing::get;
use countersign::authenticate::{AuthenticateLayer, Authenticated, CallerToken};
use countersign::prelude::*;
use countersign_test::{Attack, Provider, TestIssuer};
use countersign_tests::http::Service;
use countersign_tests::log::Log;

#[derive(serde::Deserialize)]
struct Own {
    #[allow(dead_code, reason = "only its absence matters")]
    needed: String,
}

async fn who(claims: Claims, token: CallerToken, request: axum::extract::Request) -> String {
    let mark = request.extensions().get::<Authenticated>();
    format!("{claims:?} {token:?} {mark:?} {:?}", claims.verified())
}

const CANARY: &str = "canary-subject-of-a-person";

#[tokio::test]
async fn s10_01_no_part_of_a_token_in_any_log_debug_or_answer() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).expect("the only subscriber of this process");

    let provider = Provider::start(&TestIssuer::with_system_clock()).await.expect("a port");
    let trusted = countersign::policy::danger::plain_http_issuer(oidc(provider.url()).audience("api"));
    let layer = AuthenticateLayer::builder(Verifier::new(trusted).expect("a policy")).keep_caller_token();
    let layer = layer.build().expect("a layer");
    let app = Router::new()
        .route("/", get(who))
        .route("/typed", get(|_: Claims<Own>| async { "in" }))
        .route("/guarded", get(|| async { "in" }).layer(require(scope("admin").and(role("boss")))))
        .layer(layer);
    let service = Service::start(app).await;

    let good = provider.token().subject(CANARY).audience("api").claim("email", "canary@person.test");
    let mut tokens = vec![good.sign(), good.clone().expired().sign(), good.clone().header("kid", "nope").sign()];
    tokens.extend(Attack::ALL.iter().map(|attack| good.clone().hostile(*attack).sign()));
    let mut answers = String::new();
    for token in &tokens {
        for path in ["/", "/typed", "/guarded", "/?access_token=x"] {
            // A forgery may be no header value at all; only those that go over the wire matter here.
            if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                continue;
            }
            let answer = service.get(path, token).await;
            answers.push_str(&format!("{:?} {}\n", answer.headers, answer.body));
        }
    }
    let accepted = service.get("/", &tokens[0]).await;
    assert_eq!(accepted.status, 200, "the honest token is accepted, so that its way is covered");

    let log = log.text();
    assert!(log.contains("countersign::authenticate") && log.contains("TRACE"), "the log is live");
    for everything in [&log, &answers] {
        assert!(!everything.contains(CANARY) && !everything.contains("canary@person.test"), "S10.03");
        for token in &tokens {
            // Headers are alike among tokens and no secret; payload and signature are what counts.
            for segment in token.split('.').skip(1).filter(|segment| segment.len() >= 16) {
                assert!(!everything.contains(segment), "a segment of a token was written out");
            }
        }
    }
    let hostile = good.header("kid", "a\r\nlevel=ERROR msg=x\u{1b}[31m\u{202e}").sign();
    // Its key is unknown, within the cool-down that earlier tokens started or after a refresh.
    assert!([401, 503].contains(&service.get("/", &hostile).await.status));
}
