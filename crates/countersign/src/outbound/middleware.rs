//! The middleware for stacks of the crate `reqwest-middleware`.

use async_trait::async_trait;
use countersign_core::verify::TransactionToken;
use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next};

use super::binding::Bindings;
use super::builder::OutboundBuilder;
use super::error::OutboundError;
use super::retry::{Transport, send_with_retry};
use super::source::TokenStats;
use super::transaction::CallTransaction;
use crate::authenticate::CallerToken;

/// Attaches tokens within a stack of `reqwest-middleware`, as [`Outbound`](super::Outbound) does around a plain client.
///
/// A request to an origin that is not bound is refused. After a 401 that a new token may fix, it fetches one and runs the
/// rest of the stack once more. Put it below what retries or traces, so that each attempt has its token. A
/// [`CallerToken`] in the extensions of a request makes it a call on that caller's behalf.
///
/// Failures are `reqwest_middleware::Error::Middleware`. [`OutboundError::from_error`] finds the cause in them, also below a
/// middleware that wraps errors in its own, such as a retry.
///
/// ```
/// use countersign::outbound::{AttachTokenMiddleware, ClientCredentials};
/// use countersign::secret::Secret;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tokens = ClientCredentials::from_issuer("https://id.example.com").client("orders", Secret::from("from-the-vault"));
/// let attach = AttachTokenMiddleware::builder().bind("https://billing.internal", tokens).build()?;
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
    /// Starts a middleware.
    pub fn builder() -> OutboundBuilder<Self> {
        OutboundBuilder::new(true, |bindings| AttachTokenMiddleware { bindings })
    }

    /// Counts of each binding's tokens, with its origin, in the order of binding.
    #[must_use]
    pub fn stats(&self) -> Vec<(String, TokenStats)> {
        self.bindings.stats()
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
        let transaction = CallTransaction::from(extensions.get::<TransactionToken>().cloned());
        send_with_retry(&self.bindings, (subject.as_ref(), &transaction), Rest { next, extensions }, request).await
    }
}

/// The rest of the stack, which can be run twice.
struct Rest<'s> {
    next: Next<'s>,
    extensions: &'s mut Extensions,
}

impl Transport for Rest<'_> {
    type Error = Error;

    async fn send(&mut self, request: Request) -> reqwest_middleware::Result<Response> {
        self.next.clone().run(request, self.extensions).await
    }

    fn error(error: OutboundError) -> Error {
        // Wrapped in itself: `source` of a transparent wrapper skips the first error of a chain, and retries have such ones.
        match Error::middleware(error.clone()) {
            Error::Middleware(cause) => Error::Middleware(cause.context(error)),
            other => other,
        }
    }
}
