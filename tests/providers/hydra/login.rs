//! A login of a user in the browser, driven by hand; login and consent application are this test.

use std::collections::BTreeMap;

use reqwest::{Client, Method, Url, redirect};
use serde_json::{Value, json};

use super::Hydra;

/// The value `code_verifier` and its challenge, from RFC 7636.
const PROOF: [&str; 2] = ["dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"];

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
    let at_login = browser.follow(start).await;
    let accepted = json!({ "subject": user });
    let at_consent = browser.follow(accept(server, "login", &at_login, &accepted).await).await;
    let accepted = json!({
        "grant_scope": ["openid", "offline", "orders:read"], "grant_access_token_audience": ["orders"],
        "session": { "access_token": session },
    });
    let back = browser.follow(accept(server, "consent", &at_consent, &accepted).await).await;
    assert!(back.as_str().starts_with(CALLBACK), "{back}");
    let code = value(&back, "code");
    let fields =
        [("grant_type", "authorization_code"), ("client_id", "web"), ("redirect_uri", CALLBACK), ("code", &code)];
    server.grant(&[&fields[..], &[("code_verifier", PROOF[0])]].concat()).await
}

/// The address at which the browser goes on, once the login or the consent application has accepted.
async fn accept(server: &Hydra, which: &str, at: &Url, with: &Value) -> Url {
    let challenge = value(at, &format!("{which}_challenge"));
    let path = format!("oauth2/auth/requests/{which}/accept?{which}_challenge={challenge}");
    let answer = server.admin(Method::PUT, &path, with).await;
    Url::parse(answer["redirect_to"].as_str().expect("an address")).expect("an address")
}

fn value(url: &Url, name: &str) -> String {
    url.query_pairs().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no {name}: {url}")).1.into_owned()
}

/// A browser with its cookies.
struct Browser {
    client: Client,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    fn new() -> Self {
        let client = Client::builder().redirect(redirect::Policy::none()).build().expect("a client");
        Browser { client, cookies: BTreeMap::new() }
    }

    /// The address that this one sends the browser to.
    async fn follow(&mut self, url: Url) -> Url {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = self.client.get(url).header("cookie", cookies.join("; ")).send().await.expect("an answer");
        for cookie in answer.headers().get_all("set-cookie") {
            let pair = cookie.to_str().expect("text").split(';').next().and_then(|pair| pair.split_once('='));
            let (name, value) = pair.expect("a cookie");
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        let location = answer.headers().get("location").expect("a redirect").to_str().expect("text");
        Url::parse(location).expect("an address")
    }
}
