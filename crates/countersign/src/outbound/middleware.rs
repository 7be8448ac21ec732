//! For users of the crate `reqwest-middleware`.

use async_trait::async_trait;
use countersign_core::error::ConfigError;
use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next};

use super::binding::{Bindings, judge_second};
use super::source::{TokenSource, TokenStats};
use crate::authenticate::CallerToken;

/// Attaches tokens within a stack of `reqwest-middleware`, as [`Outbound`](super::Outbound) does around a plain client.
///
/// A request to an origin that is bound to nothing is refused, and on a 401 that a new token may mend, one is fetched and
/// what is below in the stack runs once more. Put it below what retries or traces, so that each attempt has its token. A
/// [`CallerToken`] among a request's extensions makes its call one on the caller's behalf.
///
/// Failures are `reqwest_middleware::Error::Middleware`; `downcast_ref` finds the [`OutboundError`](super::OutboundError).
///
/// ```
/// use countersign::outbound::{AttachTokenMiddleware, ClientCredentials};
/// use countersign::secret::Secret;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tokens = ClientCredentials::from_issuer("https://id.example.com").client("orders", Secret::from("from-the-vault"));
/// let attach = AttachTokenMiddleware::new().bind("https://billing.internal", tokens)?;
/// let client = reqwest_middleware::ClientBuilder::new(reqwest::Client::new()).with(attach).build();
/// # let _ = client;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct AttachTokenMiddleware {
    bindings: Bindings,
}

impl AttachTokenMiddleware {
    /// Nothing is bound yet.
    #[must_use]
    pub fn new() -> Self {
        AttachTokenMiddleware { bindings: Bindings::new() }
    }

    /// Gives requests to `origin` the tokens of `source`, kept and refreshed here.
    ///
    /// # Errors
    /// As [`Outbound::bind`](super::Outbound::bind).
    pub fn bind(mut self, origin: &str, source: impl TokenSource) -> Result<Self, ConfigError> {
        self.bindings.bind(origin, source)?;
        Ok(self)
    }

    /// What became of each binding's tokens, with its origin; in the order they were bound.
    #[must_use]
    pub fn stats(&self) -> Vec<(String, TokenStats)> {
        self.bindings.stats()
    }
}

impl Default for AttachTokenMiddleware {
    fn default() -> Self {
        AttachTokenMiddleware::new()
    }
}

#[async_trait]
impl Middleware for AttachTokenMiddleware {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let subject = extensions.get::<CallerToken>().cloned();
        let (call, request) = self.bindings.begin(request, subject.as_ref()).await.map_err(Error::middleware)?;
        let response = next.clone().run(request, extensions).await?;
        if !call.may_mend(&response).map_err(Error::middleware)? {
            return Ok(response);
        }
        let Some(again) = call.again().await else { return Ok(response) };
        let second = next.run(again, extensions).await?;
        judge_second(&second).map_err(Error::middleware)?;
        Ok(second)
    }
}
