//! The key or certificate that a token is bound to, and what its sender has proven to possess.

use crate::error::{VerifyError, VerifyErrorKind as Kind};
use crate::key::Thumbprint;
use crate::token::{Confirmation, Payload, Text};

/// The key and the certificate that a token is bound to (`cnf`): whoever sends it must prove to possess each of them.
///
/// ```
/// use countersign_core::verify::Verified;
///
/// fn key(token: &Verified) -> Option<String> {
///     Some(token.binding()?.key()?.to_string())
/// }
/// # let _ = key;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    key: Option<Thumbprint>,
    certificate: Option<Thumbprint>,
}

impl Binding {
    /// The thumbprint of the sender's key (`jkt`, RFC 9449 §6.1).
    #[must_use]
    pub const fn key(&self) -> Option<Thumbprint> {
        self.key
    }

    /// The thumbprint of the sender's certificate (`x5t#S256`, RFC 8705 §3.1).
    #[must_use]
    pub const fn certificate(&self) -> Option<Thumbprint> {
        self.certificate
    }

    /// The members of `cnf`, for reports.
    pub(super) fn names(&self) -> String {
        let member = |name: &str, value: Option<Thumbprint>| value.map(|value| format!("{name} {value}"));
        let members = [member("jkt", self.key), member("x5t#S256", self.certificate)];
        members.into_iter().flatten().collect::<Vec<_>>().join(" and ")
    }

    /// The binding of a token; `None` if it has no `cnf`.
    #[inline]
    pub(super) fn of(payload: &Payload) -> Result<Option<Box<Self>>, VerifyError> {
        match payload.confirmation {
            None => Ok(None),
            Some(json) => Self::read(payload, json).map(Some),
        }
    }

    #[cold]
    fn read(payload: &Payload, json: Text) -> Result<Box<Self>, VerifyError> {
        let unknown = || {
            let detail = "cnf names no method that this service can check (jkt, x5t#S256), or not as it is defined";
            VerifyError::new(Kind::ProofRequired, detail)
        };
        let Confirmation { key, certificate } = Confirmation::read(payload.text(json)).ok_or_else(unknown)?;
        let read = |text: Option<Box<str>>| text.map(|text| Thumbprint::from_base64url(&text).ok_or_else(unknown));
        let binding = Binding { key: read(key).transpose()?, certificate: read(certificate).transpose()? };
        match binding {
            Binding { key: None, certificate: None } => Err(unknown()),
            _ => Ok(Box::new(binding)),
        }
    }
}

/// The key and the certificate that the sender of a token has proven to possess.
///
/// A layer makes it: of a proof whose signature it checks, or of the certificate of a connection.
///
/// ```
/// use countersign_core::integration::Possession;
/// use countersign_core::key::Thumbprint;
///
/// let sender = Possession::default().with_certificate(Thumbprint::of_certificate(b"der"));
/// # let _ = sender;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Possession {
    key: Option<Thumbprint>,
    certificate: Option<Thumbprint>,
}

impl Possession {
    /// Nothing was proven: the sender of a bearer token.
    #[must_use]
    pub fn none() -> &'static Self {
        &Self::NONE
    }

    /// Nothing was proven.
    pub(super) const NONE: Possession = Possession { key: None, certificate: None };

    /// The key of a proof (RFC 9449). A token that is not bound to a key is then refused.
    #[must_use]
    pub fn with_key(self, thumbprint: Thumbprint) -> Self {
        Possession { key: Some(thumbprint), ..self }
    }

    /// The certificate of the connection (RFC 8705).
    #[must_use]
    pub fn with_certificate(self, thumbprint: Thumbprint) -> Self {
        Possession { certificate: Some(thumbprint), ..self }
    }

    /// All that a token with this binding demands, for a sender who has proven it before.
    pub(super) fn of(binding: Option<&Binding>) -> Self {
        binding.map_or(Possession::default(), |Binding { key, certificate }| Possession {
            key: *key,
            certificate: *certificate,
        })
    }

    /// Returns whether a token with this binding may be sent.
    #[inline]
    pub(super) fn meets(&self, binding: Option<&Binding>) -> bool {
        match binding {
            None => self.key.is_none(),
            Some(binding) => self.check(binding).is_ok(),
        }
    }

    /// Checks a token with this binding.
    pub(super) fn check(&self, binding: &Binding) -> Result<(), VerifyError> {
        let refused = |kind, detail: &'static str| Err(VerifyError::new(kind, detail));
        match (binding.key, self.key) {
            (None, Some(_)) => return refused(Kind::NotBound, NOT_BOUND_TO_KEY),
            (Some(_), None) => {
                let detail = "it is bound to a key (cnf) and cannot be used as a plain bearer token";
                return refused(Kind::ProofRequired, detail);
            }
            (Some(bound), Some(own)) if bound != own => {
                return refused(Kind::ProofMismatch, "it is bound to another key than that of the proof");
            }
            _ => {}
        }
        match (binding.certificate, self.certificate) {
            (Some(_), None) => {
                refused(Kind::ProofRequired, "it is bound to a certificate (cnf), and the connection has none")
            }
            (Some(bound), Some(own)) if bound != own => {
                refused(Kind::ProofMismatch, "it is bound to another certificate than that of the connection")
            }
            _ => Ok(()),
        }
    }

    /// Checks a token without a binding.
    #[inline]
    pub(super) fn check_unbound(&self) -> Result<(), VerifyError> {
        match self.key {
            None => Ok(()),
            Some(_) => Err(VerifyError::new(Kind::NotBound, NOT_BOUND_TO_KEY)),
        }
    }

    /// In words, for reports.
    pub(super) fn words(&self) -> &'static str {
        match (self.key, self.certificate) {
            (None, None) => "no proof",
            (Some(_), None) => "a proof of a key",
            (None, Some(_)) => "a certificate",
            (Some(_), Some(_)) => "a proof of a key and a certificate",
        }
    }
}

const NOT_BOUND_TO_KEY: &str = "it is sent with a proof (DPoP), but it is not bound to a key";
