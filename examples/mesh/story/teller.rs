//! Sends requests, says what came back, and counts what should not have.

use axum::http::{HeaderMap, StatusCode, header};
use serde_json::Value;

use crate::Result;

/// What a request was answered with.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

/// Tells the story.
pub struct Teller {
    http: reqwest::Client,
    checks: u32,
    surprises: u32,
}

impl Teller {
    pub fn new() -> Self {
        Teller { http: reqwest::Client::new(), checks: 0, surprises: 0 }
    }

    pub fn step(&self, number: u32, title: &str) {
        println!("\n{number}. {title}");
    }

    pub async fn get(&self, url: &str, token: Option<&str>) -> Result<Answer> {
        Self::send(self.http.get(url), token).await
    }

    pub async fn post(&self, url: &str, token: Option<&str>) -> Result<Answer> {
        Self::send(self.http.post(url), token).await
    }

    async fn send(request: reqwest::RequestBuilder, token: Option<&str>) -> Result<Answer> {
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let answer = request.send().await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = serde_json::from_str(&answer.text().await?).unwrap_or_default();
        Ok(Answer { status, headers, body })
    }

    /// Says what `sent` met; a surprise unless the status is `status` and its reason holds `reason`.
    pub fn expect(&mut self, sent: &str, answer: &Answer, status: u16, reason: &str) {
        let told = answer.reason();
        let held = answer.status.as_u16() == status && told.contains(reason);
        self.line(held, &format!("{sent:<58} {} {told}", answer.status.as_u16()));
        if !held {
            println!("      expected {status} with {reason:?}");
        }
    }

    /// Says something that should hold.
    pub fn claim(&mut self, what: &str, held: bool) {
        self.line(held, what);
    }

    fn line(&mut self, held: bool, text: &str) {
        self.checks += 1;
        self.surprises += u32::from(!held);
        println!("   {} {text}", if held { "ok" } else { "SURPRISE" });
    }

    pub fn sum_up(self) -> Result<()> {
        println!("\n{} checks, {} surprises", self.checks, self.surprises);
        if self.surprises == 0 { Ok(()) } else { Err(format!("{} surprises", self.surprises).into()) }
    }
}

impl Answer {
    /// Why it was refused, as the answer says it: the code of the problem body, then the challenge; else the body.
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
