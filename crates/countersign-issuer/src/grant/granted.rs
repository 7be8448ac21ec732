//! The token that a grant allows.

use countersign_core::clock::UnixTime;
use serde_json::{Map, Value};

use crate::policy::ScopeSet;

/// The token to be issued.
pub(crate) struct Granted {
    pub(crate) subject: String,
    pub(crate) audience: String,
    pub(crate) scope: ScopeSet,
    /// The latest expiry, whatever the audience allows.
    pub(crate) not_after: Option<UnixTime>,
    /// Claims besides the registered ones, `act` among them.
    pub(crate) claims: Map<String, Value>,
    /// Binds the token to the certificate of the client, even if the client is not registered so.
    pub(crate) is_for_certificate: bool,
    /// The kind of token.
    pub(crate) token: GrantedToken,
    /// The identity provider that asserted the subject.
    pub(crate) identity_provider: Option<String>,
    /// The response states the audience as `resource`.
    pub(crate) has_resource: bool,
}

/// The kind of token to be issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GrantedToken {
    /// An access token, with its type in the response to an exchange.
    Access { issued_token_type: Option<&'static str> },
    /// A transaction token, which no key or certificate binds.
    Transaction,
}
