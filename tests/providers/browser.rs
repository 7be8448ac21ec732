//! A browser of a user who logs in, driven by hand.

use std::collections::BTreeMap;

use reqwest::{Client, RequestBuilder, Url, redirect};

/// The value `code_verifier` and its challenge, from RFC 7636.
pub const PROOF: [&str; 2] =
    ["dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"];

/// A browser with its cookies, which follows no redirect by itself.
pub struct Browser {
    client: Client,
    cookies: BTreeMap<String, String>,
}

/// An answer to the browser.
pub struct Page {
    url: Url,
    pub status: u16,
    location: Option<String>,
    pub body: String,
}

impl Browser {
    pub fn new() -> Self {
        let client = Client::builder().redirect(redirect::Policy::none()).build().expect("a client");
        Browser { client, cookies: BTreeMap::new() }
    }

    pub async fn get(&mut self, url: Url) -> Page {
        let request = self.client.get(url.clone());
        self.send(url, request).await
    }

    /// Sends a form.
    pub async fn post(&mut self, url: Url, fields: &[(&str, &str)]) -> Page {
        let request = self.client.post(url.clone()).form(fields);
        self.send(url, request).await
    }

    fn cookies(&self) -> String {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        cookies.join("; ")
    }

    /// The header line with its cookies.
    pub fn cookie_line(&self) -> String {
        format!("Cookie: {}", self.cookies())
    }

    async fn send(&mut self, url: Url, request: RequestBuilder) -> Page {
        let request = request.header("cookie", self.cookies()).header("accept", "text/html");
        let answer = request.send().await.expect("an answer");
        for cookie in answer.headers().get_all("set-cookie") {
            let pair = cookie.to_str().expect("text").split(';').next().and_then(|pair| pair.split_once('='));
            let (name, value) = pair.expect("a cookie");
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        let location = answer.headers().get("location").map(|value| value.to_str().expect("text").to_owned());
        let status = answer.status().as_u16();
        Page { url, status, location, body: answer.text().await.expect("text") }
    }
}

impl Page {
    /// The address that the answer sends the browser to.
    pub fn next(&self) -> Url {
        let location = self.location.as_ref().unwrap_or_else(|| panic!("no redirect: {} {}", self.status, self.body));
        self.url.join(location).expect("an address")
    }

    /// The value of the hidden field of this name in the form.
    pub fn hidden(&self, name: &str) -> &str {
        let field = self.body.find(&format!("name=\"{name}\"")).unwrap_or_else(|| panic!("no {name}: {}", self.body));
        self.body[field..].split("value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a value")
    }
}

/// The parameter of this name.
pub fn parameter(url: &Url, name: &str) -> String {
    url.query_pairs().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no {name}: {url}")).1.into_owned()
}
