//! The service under attack.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Client, Method, RequestBuilder, Url, redirect};

use crate::exit::Failure;
use crate::fetch::{self, ConnectionOptions};
use crate::output;
use crate::tools::proof_attacks::{BoundAnswer, SendBound};

/// Timeout for one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

pub(super) struct Target {
    client: Client,
    url: Url,
    method: Method,
}

/// The answer of the service.
pub(super) struct Answer {
    pub(super) status: u16,
    /// The challenge, quoted and in parentheses, or nothing.
    pub(super) challenge: String,
    /// The nonce for the next proof (RFC 9449 §8).
    nonce: Option<String>,
}

impl Answer {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Target {
    pub(super) fn new(connection: &ConnectionOptions, url: Url, method: &str) -> Result<Self, Failure> {
        let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes())
            .map_err(|_| Failure::usage("--method is not an HTTP method"))?;
        let builder = Client::builder()
            .redirect(redirect::Policy::none())
            .timeout(ANSWER_WITHIN)
            .user_agent(concat!("countersign-attack/", env!("CARGO_PKG_VERSION")));
        let client = connection.client(url.host_str().unwrap_or_default(), builder)?;
        Ok(Target { client, url, method })
    }

    /// The answer to one request; `Err` is the reason why there is none.
    pub(super) async fn send(&self, token: Option<&str>) -> Result<Answer, String> {
        let mut request = self.request();
        if let Some(token) = token {
            let value = fetch::bearer(token).ok_or("the token has characters that no header can have")?;
            request = request.header(AUTHORIZATION, value);
        }
        self.answer(request).await
    }

    pub(super) const fn method(&self) -> &Method {
        &self.method
    }

    fn request(&self) -> RequestBuilder {
        self.client.request(self.method.clone(), self.url.clone())
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Answer, String> {
        let response = request.send().await.map_err(|error| {
            let reason = fetch::failure_reason(&error, ANSWER_WITHIN);
            format!("{}: {reason}", output::safe(self.url.as_str()))
        })?;
        let challenge = response.headers().get(WWW_AUTHENTICATE);
        let challenge = challenge.map(|value| {
            format!(" (WWW-Authenticate: {})", output::quoted(&String::from_utf8_lossy(value.as_bytes())))
        });
        let nonce = response.headers().get("dpop-nonce").and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(Answer { status: response.status().as_u16(), challenge: challenge.unwrap_or_default(), nonce })
    }
}

impl SendBound for Target {
    async fn send_bound(&self, authorization: &str, proofs: &[String]) -> Result<BoundAnswer, String> {
        let mut value = HeaderValue::from_str(authorization).map_err(|_| "the token fits no header")?;
        value.set_sensitive(true);
        let request = self.request().header(AUTHORIZATION, value);
        let request = proofs.iter().fold(request, |request, proof| request.header("dpop", proof));
        let Answer { status, challenge, nonce } = self.answer(request).await?;
        Ok(BoundAnswer { status, challenge, nonce })
    }
}
