//! Sends requests, prints and checks the responses, and counts failures.

use axum::http::{HeaderMap, StatusCode, header};
use serde_json::Value;

use crate::Result;

/// The response to a request.
pub struct Received {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

/// The results so far.
pub struct Report {
    http: reqwest::Client,
    checks: u32,
    failures: u32,
}

impl Report {
    pub fn new() -> Self {
        Report { http: reqwest::Client::new(), checks: 0, failures: 0 }
    }

    pub fn step(&self, number: u32, title: &str) {
        println!("\n{number}. {title}");
    }

    pub async fn get(&self, url: &str, token: Option<&str>) -> Result<Received> {
        Self::send(self.http.get(url), token).await
    }

    pub async fn post(&self, url: &str, token: Option<&str>) -> Result<Received> {
        Self::send(self.http.post(url), token).await
    }

    async fn send(request: reqwest::RequestBuilder, token: Option<&str>) -> Result<Received> {
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = serde_json::from_str(&response.text().await?).unwrap_or_default();
        Ok(Received { status, headers, body })
    }

    /// Prints the response to `sent`, and counts a failure unless status and reason are as expected.
    pub fn expect(&mut self, sent: &str, answer: &Received, status: u16, reason: &str) {
        let found = answer.reason();
        let is_expected = answer.status.as_u16() == status && found.contains(reason);
        self.line(is_expected, &format!("{sent:<58} {} {found}", answer.status.as_u16()));
        if !is_expected {
            println!("      expected {status} with {reason:?}");
        }
    }

    /// Prints a statement that should be true.
    pub fn check(&mut self, what: &str, holds: bool) {
        self.line(holds, what);
    }

    fn line(&mut self, holds: bool, text: &str) {
        self.checks += 1;
        self.failures += u32::from(!holds);
        println!("   {} {text}", if holds { "ok" } else { "FAILED" });
    }

    pub fn finish(self) -> Result<()> {
        println!("\n{} checks, {} failed", self.checks, self.failures);
        if self.failures == 0 { Ok(()) } else { Err(format!("{} checks failed", self.failures).into()) }
    }
}

impl Received {
    /// The reason of a refusal: the code in the problem body, then the challenge. Otherwise the body.
    fn reason(&self) -> String {
        let text = |name: &str| self.body[name].as_str().unwrap_or_default();
        let challenge = self.headers.get(header::WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
        if self.status.is_success() {
            return self.body.to_string();
        }
        let code = if text("reason").is_empty() { text("code") } else { text("reason") };
        format!("{code}; {}", challenge.unwrap_or("no challenge"))
    }
}
