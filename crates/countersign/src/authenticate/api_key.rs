//! API keys in the layer.

use std::fmt::{self, Debug};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use countersign_core::error::{Fault, VerifyError};
use countersign_core::verify::{Verified, Verifier};
use http::HeaderName;

/// The API keys that a layer takes beside tokens: those of the crate `countersign-apikey`, or of another store.
///
/// ```
/// use countersign::authenticate::ApiKeySource;
/// use countersign::error::ConfigError;
/// use countersign::prelude::*;
///
/// fn layer(verifier: Verifier, keys: impl ApiKeySource) -> Result<AuthenticateLayer, ConfigError> {
///     AuthenticateLayer::builder(verifier).api_keys(keys).build()
/// }
/// ```
pub trait ApiKeySource: Debug + Send + Sync + 'static {
    /// The header in which keys arrive, such as `x-api-key`; `None` if they arrive as bearer tokens.
    fn header(&self) -> Option<HeaderName>;

    /// Checks keys for a layer with this verifier, which has the rules for their callers.
    ///
    /// # Errors
    /// The faults of this use.
    fn for_verifier(&self, verifier: &Verifier) -> Result<Arc<dyn ApiKeyCheck>, Vec<Fault>>;
}

/// Checks the API keys of one layer; [`ApiKeySource`] makes it.
pub trait ApiKeyCheck: Debug + Send + Sync + 'static {
    /// Returns whether a bearer credential can only be one of these keys, by its form.
    fn takes(&self, credential: &str) -> bool;

    /// The caller of a key.
    fn check(&self, key: &str) -> ApiKeyAnswer;

    /// Returns whether the key of this caller is still accepted, for a response that runs for long. A store that cannot be
    /// read now ends no response.
    fn still_accepts(&self, verified: &Verified) -> Pin<Box<dyn Future<Output = bool> + Send>>;
}

impl<S: ApiKeySource + ?Sized> ApiKeySource for Arc<S> {
    fn header(&self) -> Option<HeaderName> {
        (**self).header()
    }

    fn for_verifier(&self, verifier: &Verifier) -> Result<Arc<dyn ApiKeyCheck>, Vec<Fault>> {
        (**self).for_verifier(verifier)
    }
}

/// The answer about a key, at once or later; [`ApiKeyCheck::check`] gives it.
#[non_exhaustive]
pub enum ApiKeyAnswer {
    /// The caller, or the reason for the refusal.
    Known(Result<Arc<Verified>, VerifyError>),
    /// The keys are being read.
    Pending(Pin<Box<dyn Future<Output = Result<Arc<Verified>, VerifyError>> + Send>>),
}

impl Debug for ApiKeyAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ApiKeyAnswer::Known(answer) => f.debug_tuple("Known").field(answer).finish(),
            ApiKeyAnswer::Pending(_) => f.write_str("Pending"),
        }
    }
}
