//! Signed answers (RFC 9701).

use axum::http::header;
use countersign::clock::Clock;
use countersign_test::{TestIssuer, TokenDraft};
use serde_json::json;

use crate::server::{Server, TOKEN, answer, asking, claims, explained, got, service};

const SIGNED: &str = "application/token-introspection+jwt";

/// A signed answer about a good token, for the client `api-client`.
fn good(issuer: &TestIssuer) -> TokenDraft {
    issuer
        .token()
        .audience("api-client")
        .header("typ", "token-introspection+jwt")
        .claim("token_introspection", claims(issuer))
        .without_claim("exp")
        .without_claim("sub")
}

async fn status(issuer: &TestIssuer, content_type: &'static str, body: String) -> u16 {
    let report = explained(issuer, body.as_bytes(), true).await;
    let server = Server::start(move |_| answer(200, content_type, body.clone())).await;
    let service = service(issuer, asking(issuer, &server).require_signed_answers());
    let got = got(&service, TOKEN).await;
    let verdict = match got.status.as_u16() {
        200 => "accepted",
        401 => "rejected",
        _ => "undecided",
    };
    assert!(content_type != SIGNED || report.verdict.name() == verdict, "the tools say the same: {got:?}\n{report}");
    assert!(got.status != 503 || got.is_unavailable());
    assert_eq!(server.seen()[0].headers[header::ACCEPT], SIGNED);
    got.status.as_u16()
}

#[tokio::test]
async fn s13_08_a_signed_answer_is_verified_by_type_issuer_audience_and_key() {
    let (issuer, other) = (TestIssuer::new(), TestIssuer::new());
    assert_eq!(status(&issuer, SIGNED, good(&issuer).sign()).await, 200);
    assert_eq!(status(&issuer, SIGNED, good(&issuer).audience("api").sign()).await, 200, "an audience of the policy");
    let inactive = json!({"active": false});
    assert_eq!(status(&issuer, SIGNED, good(&issuer).claim("token_introspection", inactive).sign()).await, 401);
    let mut wrong = claims(&issuer);
    wrong["aud"] = json!("stock");
    assert_eq!(status(&issuer, SIGNED, good(&issuer).claim("token_introspection", wrong).sign()).await, 401);
    let now = issuer.clock().now().as_secs();
    for (name, draft) in [
        ("the audience of another client", good(&issuer).audience("other-client")),
        ("no audience", good(&issuer).without_claim("aud")),
        ("another type", good(&issuer).header("typ", "at+jwt")),
        ("no type", good(&issuer).without_header("typ")),
        ("another issuer", good(&issuer).claim("iss", "https://other.test")),
        ("no issuer", good(&issuer).without_claim("iss")),
        ("an old one", good(&issuer).claim("iat", now - 200)),
        ("one of the future", good(&issuer).claim("iat", now + 200)),
        ("without a time", good(&issuer).without_claim("iat")),
        ("nothing inside", good(&issuer).without_claim("token_introspection")),
        ("a list inside", good(&issuer).claim("token_introspection", json!([true]))),
        ("the key of another", good(&other).claim("iss", issuer.name())),
    ] {
        assert_eq!(status(&issuer, SIGNED, draft.sign()).await, 503, "{name}");
    }
    let forged = format!("{}AAAA", &good(&issuer).sign()[..good(&issuer).sign().len() - 4]);
    assert_eq!(status(&issuer, SIGNED, forged).await, 503);
}

#[tokio::test]
async fn s13_08_an_answer_that_is_not_signed_is_not_used_where_that_is_required() {
    let issuer = TestIssuer::new();
    assert_eq!(status(&issuer, "application/json", claims(&issuer).to_string()).await, 503);
    assert_eq!(status(&issuer, SIGNED, claims(&issuer).to_string()).await, 503);
    assert_eq!(status(&issuer, "application/json", good(&issuer).sign()).await, 503, "the type of the answer counts");
    assert_eq!(status(&issuer, "Application/Token-Introspection+JWT; charset=utf-8", good(&issuer).sign()).await, 200);
}

#[tokio::test]
async fn s13_08_a_signed_answer_is_no_token() {
    let issuer = TestIssuer::new();
    let server = Server::saying(claims(&issuer)).await;
    let service = service(&issuer, asking(&issuer, &server));
    let stolen = good(&issuer).audience("api").subject("ann").claim("exp", 4_000_000_000_u64).sign();
    assert_eq!(got(&service, &stolen).await.status, 401);
    assert_eq!(server.asked(), 0);
}
