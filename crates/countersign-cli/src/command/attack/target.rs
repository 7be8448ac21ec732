//! The service under attack.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use reqwest::{Client, Method, Url, redirect};

use crate::exit::Failure;
use crate::fetch::{self, ConnectionOptions};
use crate::output;

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
        let mut request = self.client.request(self.method.clone(), self.url.clone());
        if let Some(token) = token {
            let value = fetch::bearer(token).ok_or("the token has characters that no header can have")?;
            request = request.header(AUTHORIZATION, value);
        }
        let response = request.send().await.map_err(|error| {
            let reason = fetch::failure_reason(&error, ANSWER_WITHIN);
            format!("{}: {reason}", output::safe(self.url.as_str()))
        })?;
        let challenge = response.headers().get(WWW_AUTHENTICATE);
        let challenge = challenge.map(|value| {
            format!(" (WWW-Authenticate: {})", output::quoted(&String::from_utf8_lossy(value.as_bytes())))
        });
        Ok(Answer { status: response.status().as_u16(), challenge: challenge.unwrap_or_default() })
    }
}
