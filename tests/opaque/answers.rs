//! The checks of answers.

use countersign::clock::Clock;
use countersign_test::TestIssuer;
use serde_json::{Value, json};

use crate::server::{Server, TOKEN, asking, claims, got, service, status_of};

fn with(issuer: &TestIssuer, name: &str, value: Value) -> Value {
    let mut claims = claims(issuer);
    claims[name] = value;
    claims
}

fn without(issuer: &TestIssuer, name: &str) -> Value {
    let mut claims = claims(issuer);
    claims.as_object_mut().expect("an object").remove(name);
    claims
}

#[tokio::test]
async fn s13_02_only_active_true_is_accepted() {
    let issuer = TestIssuer::new();
    assert_eq!(status_of(&issuer, &claims(&issuer)).await, (200, "ann Opaque".to_owned()));
    for active in [json!("true"), json!(1), json!(null), json!(false), json!([true]), json!({"value": true})] {
        let said = with(&issuer, "active", active.clone());
        assert_eq!(status_of(&issuer, &said).await, (401, "token_invalid".to_owned()), "{active}");
    }
    assert_eq!(status_of(&issuer, &without(&issuer, "active")).await.0, 401);
    let nonsense = json!({"active": false, "exp": "never", "aud": 7, "sub": [], "iss": {}});
    assert_eq!(status_of(&issuer, &nonsense).await.0, 401, "every other member is ignored");
}

#[tokio::test]
async fn s13_02_an_answer_with_a_name_twice_is_not_used() {
    let issuer = TestIssuer::new();
    let twice = claims(&issuer).to_string().replace("\"active\":true", "\"active\":false,\"active\":true");
    let server = Server::start(move |_| crate::server::answer(200, "application/json", twice.clone())).await;
    assert!(got(&service(&issuer, asking(&issuer, &server)), TOKEN).await.is_unavailable());
}

#[tokio::test]
async fn s13_03_the_members_are_checked_as_the_claims_of_a_signed_token() {
    let issuer = TestIssuer::new();
    let now = issuer.clock().now().as_secs();
    for (name, said, code) in [
        ("another service", with(&issuer, "aud", json!("stock")), "token_invalid"),
        ("no audience", without(&issuer, "aud"), "token_invalid"),
        ("an empty list", with(&issuer, "aud", json!([])), "token_invalid"),
        ("a wrong audience", with(&issuer, "aud", json!(7)), "token_invalid"),
        ("another issuer", with(&issuer, "iss", json!("https://other.test")), "token_invalid"),
        ("expired", with(&issuer, "exp", json!(now - 3_600)), "token_expired"),
        ("no expiry", without(&issuer, "exp"), "token_invalid"),
        ("a wrong expiry", with(&issuer, "exp", json!("tomorrow")), "token_invalid"),
        ("not yet", with(&issuer, "nbf", json!(now + 200)), "token_not_yet_valid"),
        ("another type", with(&issuer, "token_type", json!("refresh_token")), "token_invalid"),
        ("a refresh token", with(&issuer, "token_use", json!("refresh_token")), "token_invalid"),
        ("a refresh token of Keycloak", with(&issuer, "typ", json!("Refresh")), "token_invalid"),
        ("an ID token", with(&issuer, "nonce", json!("n")), "token_invalid"),
        ("a bound token", with(&issuer, "cnf", json!({"jkt": "x"})), "token_invalid"),
        ("a type without a key", with(&issuer, "token_type", json!("DPoP")), "token_invalid"),
    ] {
        assert_eq!(status_of(&issuer, &said).await, (401, code.to_owned()), "{name}");
    }
    for (name, said) in [
        ("no issuer", without(&issuer, "iss")),
        ("several audiences", with(&issuer, "aud", json!(["stock", "api"]))),
        ("no type", without(&issuer, "token_type")),
        ("valid since a while", with(&issuer, "nbf", json!(now - 5))),
    ] {
        assert_eq!(status_of(&issuer, &said).await.0, 200, "{name}");
    }
}

#[tokio::test]
async fn s13_03_an_absent_audience_is_bound_to_the_service_only_by_an_explicit_setting() {
    let issuer = TestIssuer::new();
    for (said, status) in [
        (without(&issuer, "aud"), 200),
        (with(&issuer, "aud", json!([])), 200),
        (with(&issuer, "aud", json!("stock")), 401),
        (with(&issuer, "aud", json!("")), 401),
    ] {
        let server = Server::saying(said.clone()).await;
        let service = service(&issuer, asking(&issuer, &server).absent_audience("api"));
        assert_eq!(got(&service, TOKEN).await.status, status, "{said}");
    }
}
