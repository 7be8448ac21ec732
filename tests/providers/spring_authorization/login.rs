//! A login of a user in the browser, at Spring's own form.

use reqwest::Url;
use serde_json::Value;

use super::AuthorizationServer;
use crate::browser::{Browser, PROOF, parameter};

const CALLBACK: &str = "https://shop.example.com/callback";

/// What the client `web` gets for the user `ann`.
pub async fn login(server: &AuthorizationServer, scope: &str) -> Value {
    let mut browser = Browser::new();
    let fields = [
        ("client_id", "web"),
        ("response_type", "code"),
        ("scope", scope),
        ("redirect_uri", CALLBACK),
        ("state", "12345678"),
        ("code_challenge_method", "S256"),
        ("code_challenge", PROOF[1]),
    ];
    let start = Url::parse_with_params(&format!("{}/oauth2/authorize", server.issuer()), fields).expect("an address");
    let start = browser.get(start).await;
    let form = browser.get(start.next()).await;
    let fields = [("username", "ann"), ("password", "replace-me-ann"), ("_csrf", form.hidden("_csrf"))];
    let at_login = Url::parse(&format!("{}/login", server.issuer())).expect("an address");
    let again = browser.post(at_login, &fields).await;
    let back = browser.get(again.next()).await.next();
    assert!(back.as_str().starts_with(CALLBACK), "{back}");
    let code = parameter(&back, "code");
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", "web"),
        ("redirect_uri", CALLBACK),
        ("code", &code),
        ("code_verifier", PROOF[0]),
    ];
    server.grant(&fields).await
}
