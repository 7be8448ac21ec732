//! Client credentials, and the form of requests and responses.

use axum::http::StatusCode;
use countersign::keys::RemoteKeys;
use countersign_core::clock::Clock;
use countersign_core::policy::{NeedsAudience, Profile};
use countersign_core::verify::Verifier;
use std::sync::Arc;
use std::time::Duration;

use crate::service::{SECRET, Service, claims, segment};

const CC: (&str, &str) = ("grant_type", "client_credentials");

/// A verifier that knows only the issuer's name, and fetches its keys.
pub fn remote_verifier(service: &Service, audience: &str) -> Verifier {
    let keys = RemoteKeys::from_issuer(service.issuer.name());
    let trusted = NeedsAudience::new(service.issuer.name(), Arc::new(keys)).audience(audience);
    Verifier::builder()
        .trust(trusted.profile(Profile::AccessToken))
        .clock(Arc::new(service.clock.clone()))
        .build()
        .expect("a sound policy")
}

#[tokio::test]
async fn s8_09_s8_11_a_client_gets_an_access_token_of_rfc_9068() {
    let service = Service::start().await;
    let before = service.clock.now().as_secs();
    let answer = service.ask("orders", &[CC, ("scope", "read")]).await;
    let (token, body) = (answer.token(), answer.json());
    assert_eq!(
        (&body["token_type"], &body["expires_in"], &body["scope"]),
        (&"Bearer".into(), &300.into(), &"read".into())
    );

    let (header, claims) = (segment(&token, 0), claims(&token));
    assert_eq!((&header["typ"], &header["alg"]), (&"at+jwt".into(), &"ES256".into()));
    assert_eq!(header["kid"], service.issuer.keys()[0].key_id);
    assert_eq!(claims["iss"], service.issuer.name());
    assert_eq!(
        (&claims["aud"], &claims["sub"], &claims["client_id"]),
        (&"billing".into(), &"orders".into(), &"orders".into())
    );
    let (issued, expires) = (claims["iat"].as_u64().expect("an integer"), claims["exp"].as_u64().expect("an integer"));
    assert!((before..=service.clock.now().as_secs()).contains(&issued));
    assert_eq!(expires - issued, 300);
    assert_eq!(claims["jti"].as_str().map(str::len), Some(36));

    let verified = remote_verifier(&service, "billing").verify(&token).await.expect("a strict verifier accepts it");
    assert_eq!((verified.subject(), verified.client_id()), ("orders", Some("orders")));
    let elsewhere = remote_verifier(&service, "ledger").verify(&token).await.expect_err("issued only for billing");
    assert_eq!(elsewhere.code(), "wrong_audience");
}

#[tokio::test]
async fn s8_07_each_fault_of_a_request_has_its_own_code() {
    let service = Service::start().await;
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[], "invalid_request"),
        (&[("grant_type", "")], "invalid_request"),
        (&[CC, CC], "invalid_request"),
        (&[CC, ("scope", "read"), ("scope", "read")], "invalid_request"),
        (&[("grant_type", "password")], "unsupported_grant_type"),
        (&[("grant_type", "CLIENT_CREDENTIALS")], "unsupported_grant_type"),
        (&[CC, ("scope", "admin")], "invalid_scope"), // billing knows it, the client may not have it
        (&[CC, ("scope", "read unknown")], "invalid_scope"),
        (&[CC, ("scope", "re\"ad")], "invalid_scope"),
        (&[CC, ("audience", "ledger")], "invalid_target"), // known, but not to this client
        (&[CC, ("audience", "nowhere")], "invalid_target"),
        (&[CC, ("resource", "billing")], "invalid_target"), // not an absolute URI
    ];
    for (form, code) in cases {
        assert_eq!(service.ask("orders", form).await.error(), *code, "{form:?}");
    }
    let valid = service.ask("orders", &[CC, ("scope", "read"), ("audience", "billing"), ("unknown", "x")]).await;
    assert_eq!(claims(&valid.token())["scope"], "read");
    let exchange = [("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange")];
    assert_eq!(service.ask("undecided", &exchange).await.error(), "unauthorized_client");
}

#[tokio::test]
async fn s8_07_only_a_small_form_by_post_is_read() {
    let service = Service::start().await;
    assert_eq!(service.get("/token").await.status, StatusCode::METHOD_NOT_ALLOWED);
    let post = || service.post("/token").basic_auth("orders", Some(SECRET));
    let json = service.send(post().header("content-type", "application/json").body("{}")).await;
    assert_eq!(json.error(), "invalid_request");
    let bare = service.send(post().body("grant_type=client_credentials")).await;
    assert_eq!(bare.error(), "invalid_request");

    let padded = |bytes: usize| format!("grant_type=client_credentials&x={}", "y".repeat(bytes - 32));
    let form = |body| post().header("content-type", "application/x-www-form-urlencoded; charset=utf-8").body(body);
    assert_eq!(service.send(form(padded(64 * 1024))).await.status, StatusCode::OK);
    assert_eq!(service.send(form(padded(64 * 1024 + 1))).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn s8_08_responses_are_json_not_cached_and_without_a_refresh_token() {
    let service = Service::start().await;
    let answers = [
        service.ask("orders", &[CC]).await,
        service.ask("orders", &[]).await,
        service.ask_with("orders", "wrong secret, long enough", &[CC]).await,
    ];
    for answer in answers {
        assert_eq!(answer.header("content-type"), Some("application/json"), "{}", answer.status);
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{}", answer.status);
        assert_eq!(answer.header("pragma"), Some("no-cache"), "{}", answer.status);
        assert!(answer.json().get("refresh_token").is_none());
    }
}

#[tokio::test]
async fn s8_10_a_token_has_one_resource() {
    let service = Service::start().await;
    const STOCK: &str = "https://stock.example.com/api";
    let with_fragment = format!("{STOCK}#f");
    for form in [
        &[CC, ("resource", STOCK), ("resource", "https://other.example.com")][..],
        &[CC, ("resource", STOCK), ("audience", "billing")],
        &[CC, ("resource", &with_fragment)],
    ] {
        assert_eq!(service.ask("orders", form).await.error(), "invalid_target", "{form:?}");
    }
    assert_eq!(claims(&service.ask("orders", &[CC, ("resource", STOCK)]).await.token())["aud"], STOCK);
    assert_eq!(claims(&service.ask("orders", &[CC]).await.token())["aud"], "billing", "the default");
    assert_eq!(service.ask("undecided", &[CC]).await.error(), "invalid_target", "two audiences and no default");
}

#[tokio::test]
async fn s8_11_lifetimes_are_at_most_an_hour() {
    let with = |secs| {
        countersign_issuer::Issuer::builder("http://127.0.0.1:1").token_lifetime(Duration::from_secs(secs)).build()
    };
    for bad in [0, 3601] {
        assert_eq!(with(bad).expect_err("out of bounds").faults()[0].field, "token_lifetime");
    }
    assert!(with(3600).is_ok());
}

#[tokio::test]
async fn s8_13_every_fault_of_a_configuration_is_named() {
    use countersign_core::{key::Algorithm, secret::Secret};
    use countersign_issuer::{Audience, Client, Issuer};
    let error = Issuer::builder("http://sts.example.com")
        .algorithm(Algorithm::HS256)
        .add_audience(Audience::new("*"))
        .add_audience(Audience::new("billing").scopes(["two words"]))
        .add_audience(Audience::new("billing"))
        .add_client(Client::new("a").secret(Secret::from("secret")))
        .add_client(Client::new("b").secret(Secret::from(SECRET)).audiences(["ledger"]).scopes(["read"]))
        .add_client(Client::new("b").secret(Secret::from(SECRET)))
        .build()
        .expect_err("every part has a fault");
    let fields: Vec<_> = error.faults().iter().map(|fault| fault.field.as_ref()).collect();
    for field in [
        "issuer",
        "algorithm",
        "audience *: name",
        "audience billing: scopes",
        "audience",
        "client a: secret",
        "client b: audiences",
        "client b: scopes",
        "client",
    ] {
        assert!(fields.contains(&field), "{field} in {fields:?}");
    }
    assert!(!error.to_string().contains(SECRET));
}
