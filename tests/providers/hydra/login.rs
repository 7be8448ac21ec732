//! A login of a user in the browser, driven by hand; login and consent application are this test.

use reqwest::{Method, Url};
use serde_json::{Value, json};

use super::Hydra;
use crate::browser::{Browser, PROOF, parameter};

const CALLBACK: &str = "https://shop.example.com/callback";

/// The most attempts at a login.
pub const ATTEMPTS: usize = 10;

/// What the client `web` gets for this user with these claims in `session.access_token`.
pub async fn login(server: &Hydra, user: &str, session: Value) -> Value {
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
    let mut back = None;
    for _ in 0..ATTEMPTS {
        if back.is_none() {
            back = consent(server, &mut Browser::new(), start.clone(), user, session.clone()).await;
        }
    }
    let back = back.expect("Hydra fails");
    assert!(back.as_str().starts_with(CALLBACK), "{back}");
    let code = parameter(&back, "code");
    let fields =
        [("grant_type", "authorization_code"), ("client_id", "web"), ("redirect_uri", CALLBACK), ("code", &code)];
    server.grant(&[&fields[..], &[("code_verifier", PROOF[0])]].concat()).await
}

/// The address of the client at which the browser ends that began at `start`, once this user has logged in and consented; or
/// `None` if Hydra failed, as it does if SQLite refuses a writer that meets another.
pub async fn consent(server: &Hydra, browser: &mut Browser, start: Url, user: &str, session: Value) -> Option<Url> {
    let has_not_failed = |at: &Url| !at.query_pairs().any(|(name, value)| name == "error" && value == "error");
    let at_login = Some(browser.get(start).await.next()).filter(has_not_failed)?;
    let accepted = json!({ "subject": user });
    let at_consent = browser.get(accept(server, "login", &at_login, &accepted).await).await.next();
    let at_consent = Some(at_consent).filter(has_not_failed)?;
    let accepted = json!({
        "grant_scope": ["openid", "offline", "orders:read"], "grant_access_token_audience": ["orders"],
        "session": { "access_token": session },
    });
    Some(browser.get(accept(server, "consent", &at_consent, &accepted).await).await.next()).filter(has_not_failed)
}

/// The address at which the browser goes on, once the login or the consent application has accepted.
async fn accept(server: &Hydra, which: &str, at: &Url, with: &Value) -> Url {
    let challenge = parameter(at, &format!("{which}_challenge"));
    let path = format!("oauth2/auth/requests/{which}/accept?{which}_challenge={challenge}");
    let answer = server.admin(Method::PUT, &path, with).await;
    Url::parse(answer["redirect_to"].as_str().expect("an address")).expect("an address")
}
