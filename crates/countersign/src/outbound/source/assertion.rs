//! JWTs that speak for a client or a subject at a token service (RFC 7521, RFC 7523 as updated by RFC 10070).

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::{Clock, SystemClock};
use countersign_core::error::Fault;
use countersign_core::mint::{Draft, Signer};
use countersign_core::secret::Secret;
use uuid::Uuid;

use super::file_token::read_for_use;
use crate::outbound::error::OutboundError;

/// How long an assertion signed here is good: it is sent at once, and services refuse those that last.
const ASSERTION_LIFE: Duration = Duration::from_secs(60);

/// The type of an assertion that authenticates a client (RFC 10070).
pub(super) const CLIENT_AUTHENTICATION: &str = "client-authentication+jwt";

/// The type of an assertion that is a grant (RFC 7523 §2.1), which has none of its own.
pub(super) const GRANT: &str = "JWT";

/// A JWT that proves who asks: signed here for each request, or written into a file by the platform.
///
/// One signed here is good for a minute, names the token service's issuer as its one audience, and is used once.
///
/// ```
/// use countersign::key::Algorithm;
/// use countersign::mint::Signer;
/// use countersign::outbound::Assertion;
///
/// let signer = Signer::generate(Algorithm::ES256).unwrap(); // in earnest: Signer::from_pkcs8_pem
/// let by_key = Assertion::new("orders", "orders", signer);
/// let by_platform = Assertion::from_file("/var/run/secrets/tokens/id");
/// # let _ = (by_key, by_platform);
/// ```
#[derive(Clone)]
pub struct Assertion {
    from: From,
    clock: Arc<dyn Clock>,
}

#[derive(Clone)]
enum From {
    Signed { issuer: String, subject: String, signer: Arc<Signer> },
    File(PathBuf),
}

impl Assertion {
    /// Says, as `issuer`, that `subject` asks; signed with this key, whose `kid` the token service knows.
    #[must_use]
    pub fn new(issuer: &str, subject: &str, signer: impl Into<Arc<Signer>>) -> Self {
        let from = From::Signed { issuer: issuer.to_owned(), subject: subject.to_owned(), signer: signer.into() };
        Assertion { from, clock: Arc::new(SystemClock) }
    }

    /// What the platform writes into this file, such as a projected workload token; read anew for every use (S7.05).
    #[must_use]
    pub fn from_file(path: impl Into<PathBuf>) -> Self {
        Assertion { from: From::File(path.into()), clock: Arc::new(SystemClock) }
    }

    /// Dates what is signed by this clock.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Assertion { clock, ..self }
    }

    /// Whether it needs to know whom it is for.
    pub(super) fn is_signed_here(&self) -> bool {
        matches!(self.from, From::Signed { .. })
    }

    pub(super) fn faults(&self) -> Option<Fault> {
        match &self.from {
            From::Signed { issuer, subject, .. } if issuer.is_empty() || subject.is_empty() => {
                Some(Fault::new("assertion", "its issuer or subject is empty; name both"))
            }
            _ => None,
        }
    }

    /// A fresh one for `audience`.
    pub(super) async fn token(&self, token_type: &str, audience: &str) -> Result<Secret<String>, OutboundError> {
        match &self.from {
            From::File(path) => read_for_use(path).await,
            From::Signed { issuer, subject, signer } => {
                let now = self.clock.now();
                Draft::with_type(token_type)
                    .issuer(issuer.as_str())
                    .subject(subject.as_str())
                    .audience(audience)
                    .issued_at(now)
                    .expires_at(now.saturating_add(ASSERTION_LIFE))
                    .token_id(Uuid::now_v7().to_string())
                    .sign(signer)
                    .map(Secret::new)
                    .map_err(|_| OutboundError::refused("the assertion could not be signed"))
            }
        }
    }
}

impl fmt::Debug for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Assertion");
        match &self.from {
            From::Signed { issuer, signer, .. } => shown.field("issuer", issuer).field("key_id", &signer.key_id()),
            From::File(path) => shown.field("file", path),
        };
        shown.finish_non_exhaustive()
    }
}
