//! The key and the certificate that a token is bound to.

use countersign_core::key::Thumbprint;
use serde_json::{Map, Value};

/// The key and the certificate that the sender of a token request has proven to possess, or that a token is bound to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Possession {
    /// The key of a DPoP proof.
    pub(crate) key: Option<Thumbprint>,
    /// The certificate of the TLS connection.
    pub(crate) certificate: Option<Thumbprint>,
}

impl Possession {
    /// The claim `cnf` of a token that is bound to both (RFC 9449 §6.1, RFC 8705 §3.1); `None` if there is neither.
    pub(crate) fn confirmation(&self) -> Option<Value> {
        let methods = [("jkt", self.key), ("x5t#S256", self.certificate)];
        let members =
            methods.into_iter().filter_map(|(name, it)| Some((name.to_owned(), Value::from(it?.to_string()))));
        let members: Map<String, Value> = members.collect();
        (!members.is_empty()).then_some(Value::Object(members))
    }
}
