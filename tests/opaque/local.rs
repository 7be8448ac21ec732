//! Which credential goes where.

use countersign::authenticate::AuthenticateLayer;
use countersign::verify::Verifier;
use countersign_test::TestIssuer;
use serde_json::json;

use crate::server::{Server, TOKEN, asking, claims, got, json_answer, layer, service, service_of};

#[tokio::test]
async fn s13_07_a_signed_token_is_verified_here_and_never_sent() {
    let (issuer, foreign_issuer) = (TestIssuer::new(), TestIssuer::new().with_name("https://foreign.test"));
    let server = Server::saying(claims(&issuer)).await;
    let service = service(&issuer, asking(&issuer, &server));
    let opaque = got(&service, "three-parts.that.are-no-signed-token").await;
    assert_eq!((opaque.status.as_u16(), opaque.body.as_str()), (200, "ann Opaque"));
    let good = issuer.token().subject("bob").audience("api").sign();
    let ours = got(&service, &good).await;
    assert_eq!((ours.status.as_u16(), ours.body.as_str()), (200, "bob Signed"));
    let foreign = foreign_issuer.token().subject("eve").audience("api").sign();
    let (head, rest) = foreign.split_once('.').expect("parts");
    let (body, signature) = rest.split_once('.').expect("parts");
    for (name, token) in [
        ("an untrusted issuer", foreign.clone()),
        ("expired", issuer.token().audience("api").expired().sign()),
        ("another audience", issuer.token().audience("stock").sign()),
        ("without a signature", format!("{head}.{body}.")),
        ("a forged signature", format!("{head}.{body}.AAAA")),
        ("of five parts", format!("{head}.{body}.{signature}.AA.AA")),
        ("not canonical", format!("{head}==.{body}.{signature}")),
        ("an algorithm of nobody", format!("eyJhbGciOiJub25lIn0.{body}.{signature}")),
        ("a header of any other kind", format!("e30.{body}.{signature}")),
    ] {
        assert!([400, 401].contains(&got(&service, &token).await.status.as_u16()), "{name}");
    }
    assert_eq!(server.asked(), 1, "about the first one");
}

#[tokio::test]
async fn s13_07_by_policy_the_server_is_also_asked_about_its_own_signed_tokens() {
    let (issuer, partner) = (TestIssuer::new(), TestIssuer::new().with_name("https://partner.test"));
    let server =
        Server::saying(json!({"active": true, "sub": "somebody else", "aud": "api", "exp": 4_000_000_000_u64})).await;
    let verifier = Verifier::builder().trust(issuer.trusted_for("api")).trust(partner.trusted_for("api"));
    let verifier = verifier.clock(issuer.clock().clone()).build().expect("a verifier");
    let settings = asking(&issuer, &server).also_ask_about_signed_tokens();
    let layer = AuthenticateLayer::builder(verifier).introspection(settings).build().expect("a layer");
    let service = service_of(&layer);
    let token = |issuer: &TestIssuer, name: &str| issuer.token().subject(name).audience("api").sign();
    let (active, ended) = (token(&issuer, "bob"), token(&issuer, "mallory"));
    assert_eq!(got(&service, &active).await.body, "bob Signed", "the claims are those that were signed");
    assert_eq!(server.asked(), 1);
    server.answer_with(|_| json_answer(&json!({"active": false})));
    assert_eq!(got(&service, &ended).await.status, 401);
    assert_eq!(got(&service, &active).await.status, 200, "cached");
    assert_eq!(server.asked(), 2);
    assert_eq!(got(&service, &token(&partner, "pat")).await.body, "pat Signed");
    let forged = format!("{}AAAA", &active[..active.len() - 4]);
    assert_eq!(got(&service, &forged).await.status, 401);
    assert_eq!(server.asked(), 2, "tokens of others, and forged ones, are not sent");
}

#[tokio::test]
async fn s13_05_tokens_of_impossible_form_are_refused_without_asking() {
    let issuer = TestIssuer::new();
    let server = Server::saying(claims(&issuer)).await;
    let layer = layer(&issuer, asking(&issuer, &server).token_prefix("ory_at_"));
    let service = service_of(&layer);
    let long = format!("ory_at_{}", "x".repeat(4_096));
    for impossible in ["ory_at_short", TOKEN, &long] {
        assert_eq!(got(&service, impossible).await.status, 401, "{impossible}");
    }
    for no_token in ["ory_at_of two words......", "ory_at_\"quoted\"..........", "ory_at_a,b,c,d,e,f,g,h"] {
        assert_eq!(got(&service, no_token).await.status, 400, "{no_token}");
    }
    assert_eq!((server.asked(), layer.introspection_stats().map(|stats| stats.impossible)), (0, Some(3)));
    assert_eq!(got(&service, "ory_at_abcdefghijklm.nopqrst").await.status, 200);
}
