//! A login of a user in the browser, driven by hand; login and consent application are this test.

use reqwest::{Method, Url};
use serde_json::{Value, json};

use super::Hydra;
use crate::browser::{Browser, PROOF, parameter};

const CALLBACK: &str = "https://shop.example.com/callback";

/// What the client `web` gets for this user with these claims in `session.access_token`.
pub async fn login(server: &Hydra, user: &str, session: Value) -> Value {
    let mut browser = Browser::new();
    let fields = [
        ("client_id", "web"),
        ("response_type", "code"),
        ("scope", "openid offline orders:read"),
        ("audience", "orders"),
        ("redirect_uri", CALLBACK),
        ("state", "12345678"),
        ("nonce", "12345678"),
        ("code_challenge_method", "S256"),
        ("code_challenge", PROOF[1]),
    ];
    let start = Url::parse_with_params(&format!("{}/oauth2/auth", server.issuer()), fields).expect("an address");
    let back = consent(server, &mut browser, start, user, session).await;
    assert!(back.as_str().starts_with(CALLBACK), "{back}");
    let code = parameter(&back, "code");
    let fields =
        [("grant_type", "authorization_code"), ("client_id", "web"), ("redirect_uri", CALLBACK), ("code", &code)];
    server.grant(&[&fields[..], &[("code_verifier", PROOF[0])]].concat()).await
}

/// The address of the client at which the browser ends that began at `start`, once this user has logged in and consented.
pub async fn consent(server: &Hydra, browser: &mut Browser, start: Url, user: &str, session: Value) -> Url {
    let at_login = browser.get(start).await.next();
    let accepted = json!({ "subject": user });
    let at_consent = browser.get(accept(server, "login", &at_login, &accepted).await).await.next();
    let accepted = json!({
        "grant_scope": ["openid", "offline", "orders:read"], "grant_access_token_audience": ["orders"],
        "session": { "access_token": session },
    });
    browser.get(accept(server, "consent", &at_consent, &accepted).await).await.next()
}

/// The address at which the browser goes on, once the login or the consent application has accepted.
async fn accept(server: &Hydra, which: &str, at: &Url, with: &Value) -> Url {
    let challenge = parameter(at, &format!("{which}_challenge"));
    let path = format!("oauth2/auth/requests/{which}/accept?{which}_challenge={challenge}");
    let answer = server.admin(Method::PUT, &path, with).await;
    Url::parse(answer["redirect_to"].as_str().expect("an address")).expect("an address")
}
