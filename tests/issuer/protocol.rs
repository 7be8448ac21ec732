//! Assertions, introspection, revocation, and the rate limit of failed authentications.

use std::time::Duration;

use axum::http::StatusCode;
use countersign_core::clock::{Clock, UnixTime};
use countersign_core::key::Algorithm;
use countersign_core::mint::{Draft, Signer};
use countersign_core::secret::Secret;
use countersign_issuer::Client;
use serde_json::json;

use crate::service::{Answer, SECRET, Service, shop};

const CC: (&str, &str) = ("grant_type", "client_credentials");

async fn signing_service() -> (Service, Signer) {
    let signer = Signer::generate(Algorithm::ES256).expect("a key");
    let client = |id: &str, signer: &Signer| {
        let jwks = json!({ "keys": [signer.public_jwk()] }).to_string();
        Client::new(id).public_keys(jwks).audiences(["billing"]).scopes(["read"])
    };
    let other = Signer::generate(Algorithm::ES256).expect("a key");
    let (signing, other) = (client("signing", &signer), client("other", &other));
    (Service::with(|builder| shop(builder).add_client(signing).add_client(other)).await, signer)
}

async fn assert_with(service: &Service, assertion: &str) -> Answer {
    let form = [
        CC,
        ("client_assertion", assertion),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
    ];
    service.send(service.post("/token").form(&form)).await
}

fn in_secs(service: &Service, seconds: u64) -> UnixTime {
    service.clock.now().saturating_add(Duration::from_secs(seconds))
}

#[tokio::test]
async fn s8_19_an_assertion_is_short_signed_by_its_client_for_one_audience_and_used_once() {
    let (service, signer) = signing_service().await;
    let good = |id: &str, token_type: &str| {
        Draft::with_type(token_type)
            .issuer("signing")
            .subject("signing")
            .audience(service.issuer.name())
            .expires_at(in_secs(&service, 60))
            .token_id(id)
    };
    let typed = |id: &str| good(id, "client-authentication+jwt");
    let sign = |draft: Draft| draft.sign(&signer).expect("signed");

    let first = sign(typed("one"));
    assert_eq!(assert_with(&service, &first).await.status, StatusCode::OK);
    assert_eq!(assert_with(&service, &first).await.error(), "invalid_client", "a replay");
    assert_eq!(assert_with(&service, &sign(good("two", "JWT"))).await.status, StatusCode::OK);
    assert_eq!(
        assert_with(&service, &sign(typed("three").claim("aud", json!([service.issuer.name()])))).await.status,
        StatusCode::OK
    );

    let endpoint = format!("{}/token", service.issuer.name());
    let without_id = Draft::with_type("JWT")
        .issuer("signing")
        .subject("signing")
        .audience(service.issuer.name())
        .expires_at(in_secs(&service, 60));
    let other_key = Signer::generate(Algorithm::ES256).expect("a key");
    let bad = [
        ("audience is the endpoint", sign(typed("a").audience(endpoint))),
        ("two audiences", sign(typed("b").claim("aud", json!([service.issuer.name(), "x"])))),
        ("a day long", sign(typed("c").expires_at(in_secs(&service, 86_400)))),
        ("an access token", sign(good("d", "at+jwt"))),
        ("another subject", sign(typed("e").subject("other"))),
        ("another client's name", sign(typed("f").issuer("other").subject("other"))),
        ("another key", typed("g").sign(&other_key).expect("signed")),
        ("no jti", sign(without_id)),
        ("a client without public keys", sign(typed("h").issuer("orders").subject("orders"))),
    ];
    for (what, assertion) in bad {
        // Advances the clock, so that the client is not throttled.
        service.clock.advance(Duration::from_millis(1_500));
        assert_eq!(assert_with(&service, &assertion).await.error(), "invalid_client", "{what}");
    }
}

#[tokio::test]
async fn s8_19_unusable_and_private_keys_are_refused_at_registration() {
    let build = |jwks: &str| {
        let client = Client::new("signing").public_keys(jwks);
        countersign_issuer::Issuer::builder("http://127.0.0.1:1").add_client(client).build()
    };
    let signer = Signer::generate(Algorithm::ES256).expect("a key");
    let mut jwk = signer.public_jwk().expect("public");
    assert!(build(&json!({ "keys": [jwk] }).to_string()).is_ok());
    jwk["d"] = json!("AAAA");
    for bad in ["", "{}", "{\"keys\":[]}", &json!({ "keys": [jwk] }).to_string()] {
        let error = build(bad).expect_err(bad);
        assert_eq!(error.faults()[0].field, "client signing: public_keys");
    }
}

#[tokio::test]
async fn s8_26_introspection_answers_only_the_parties_of_a_token() {
    let auditor = Client::new("auditor").secret(Secret::from(SECRET)).introspected_audiences(["billing"]);
    let service = Service::with(|builder| shop(builder).add_client(auditor)).await;
    let token = service.ask("orders", &[CC, ("scope", "read")]).await.token();
    let ask = async |client: &str, token: &str| {
        service.send(service.post("/introspect").basic_auth(client, Some(SECRET)).form(&[("token", token)])).await
    };
    for party in ["orders", "billing", "auditor"] {
        let answer = ask(party, &token).await;
        let body = answer.json();
        assert_eq!(body["active"], true, "{party}");
        for name in ["iss", "sub", "aud", "client_id", "scope", "exp", "iat", "jti", "token_type"] {
            assert!(body.get(name).is_some(), "{name}");
        }
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    let inactive = r#"{"active":false}"#;
    assert_eq!(ask("undecided", &token).await.text, inactive, "not a party of the token");
    assert_eq!(ask("orders", "garbage").await.text, inactive);
    service.clock.advance(Duration::from_secs(300));
    assert_eq!(ask("orders", &token).await.text, inactive, "expired");
    let nobody = service.send(service.post("/introspect").form(&[("token", token.as_str())])).await;
    assert_eq!(nobody.error(), "invalid_client");
    let nothing =
        service.send(service.post("/introspect").basic_auth("orders", Some(SECRET)).form(&[("x", "y")])).await;
    assert_eq!(nothing.error(), "invalid_request");
}

#[tokio::test]
async fn s8_25_a_client_revokes_only_its_own_tokens() {
    let service = Service::start().await;
    let token = service.ask("orders", &[CC]).await.token();
    let revoke = async |client: &str, form: &[(&str, &str)]| {
        service.send(service.post("/revoke").basic_auth(client, Some(SECRET)).form(form)).await
    };
    let active = async || {
        let request = service.post("/introspect").basic_auth("orders", Some(SECRET));
        service.send(request.form(&[("token", token.as_str())])).await.json()["active"] == true
    };
    assert_eq!(revoke("billing", &[("token", &token)]).await.error(), "invalid_request");
    assert!(active().await, "without effect");
    assert_eq!(revoke("orders", &[("token", "garbage")]).await.status, StatusCode::OK);
    assert_eq!(revoke("orders", &[]).await.error(), "invalid_request");
    let hinted = [("token", token.as_str()), ("token_type_hint", "refresh_token")];
    assert_eq!(revoke("orders", &hinted).await.status, StatusCode::OK);
    assert!(!active().await);
    assert_eq!(revoke("orders", &hinted).await.status, StatusCode::OK, "repeated");
}

#[tokio::test]
async fn s8_20_a_revoked_token_cannot_be_exchanged() {
    let service = Service::start().await;
    let user = Draft::access_token().subject("ann").audience("orders").client_id("web-shop").scope("read");
    let token = service.issuer.mint(&user).expect("a token");
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", token.as_str()),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
    ];
    service.ask("orders", &form).await.token();
    assert_eq!(service.issuer.revoke_token(token.token_id(), token.expires_at()), Ok(()));
    assert_eq!(service.ask("orders", &form).await.error(), "invalid_request");
}

#[tokio::test]
async fn s8_27_twenty_wrong_secrets_are_throttled_for_known_and_unknown_clients() {
    let service = Service::start().await;
    for client in ["orders", "nobody"] {
        let mut statuses = Vec::new();
        for _ in 0..20 {
            let answer = service.ask_with(client, "wrong secret, long enough", &[CC]).await;
            if answer.status == StatusCode::TOO_MANY_REQUESTS {
                assert!(answer.header("retry-after").is_some());
                assert_eq!(answer.header("cache-control"), Some("no-store"));
            }
            statuses.push(answer.status.as_u16());
        }
        assert!(statuses[..10].iter().all(|status| *status == 401), "{statuses:?}");
        assert!(statuses.contains(&429), "{client}: {statuses:?}");
    }
    assert_eq!(
        service.ask("billing", &[CC, ("audience", "ledger")]).await.status,
        StatusCode::OK,
        "other clients are not throttled"
    );
    service.clock.advance(Duration::from_secs(11));
    assert_eq!(service.ask("orders", &[CC]).await.status, StatusCode::OK, "after the window it may try again");
}
