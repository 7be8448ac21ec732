//! A login of a user in the browser, at the form of the library's example.

use reqwest::Url;
use serde_json::Value;

use super::Zitadel;
use crate::browser::{Browser, PROOF, parameter};

const CALLBACK: &str = "https://shop.example.com/callback";

/// What the client `web` gets for the user of this name.
pub async fn login(server: &Zitadel, user: &str, scope: &str) -> Value {
    let mut browser = Browser::new();
    let fields = [
        ("client_id", "web"),
        ("response_type", "code"),
        ("scope", scope),
        ("redirect_uri", CALLBACK),
        ("state", "12345678"),
        ("nonce", "12345678"),
        ("code_challenge_method", "S256"),
        ("code_challenge", PROOF[1]),
    ];
    let start = Url::parse_with_params(&format!("{}/auth", server.issuer()), fields).expect("an address");
    let form = browser.get(start).await.next();
    let id = parameter(&form, "authRequestID");
    let fields = [("id", id.as_str()), ("username", user), ("password", "verysecure")];
    let again = browser.post(form, &fields).await;
    let back = browser.get(again.next()).await.next();
    assert!(back.as_str().starts_with(CALLBACK), "{back}");
    let code = parameter(&back, "code");
    let fields = [("grant_type", "authorization_code"), ("redirect_uri", CALLBACK), ("code", &code)];
    server.grant("web", &[&fields[..], &[("code_verifier", PROOF[0])]].concat()).await
}
