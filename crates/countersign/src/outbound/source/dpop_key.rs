//! The key that tokens are bound to (DPoP, RFC 9449).

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use countersign_core::clock::UnixTime;
use countersign_core::error::{ConfigError, Fault};
use countersign_core::key::{Algorithm, KeyRejected};
use countersign_core::mint::{ProofDraft, Signer};

use crate::client::{RotatingFile, key_file};
use crate::outbound::error::OutboundError;

/// The key that tokens are bound to (DPoP, RFC 9449): whoever has only the token cannot use it.
///
/// Clones share the key. A token is used with the key that it was requested with, also after another key has taken its place.
///
/// ```
/// use countersign::key::Algorithm;
/// use countersign::mint::Signer;
/// use countersign::outbound::{ClientCredentials, DpopKey};
/// use countersign::secret::Secret;
///
/// let key = DpopKey::generate()?; // for this process only, which suffices: tokens are requested again after a restart
/// let tokens = ClientCredentials::from_issuer("https://id.example.com")
///     .client("orders", Secret::from("from-the-vault"))
///     .dpop(key.clone());
/// key.rotate(Signer::generate(Algorithm::ES256)?)?; // the next token is bound to this one
/// # let _ = tokens;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct DpopKey(Arc<Place>);

enum Place {
    Memory(Mutex<Arc<Signer>>),
    File(RotatingFile<Signer>),
}

impl DpopKey {
    /// A new key for ES256.
    ///
    /// # Errors
    /// `KeyRejected` if the system has no random numbers.
    pub fn generate() -> Result<Self, KeyRejected> {
        Signer::generate(Algorithm::ES256).map(Self::from_signer)
    }

    /// An existing key pair.
    #[must_use]
    pub fn from_signer(signer: impl Into<Arc<Signer>>) -> Self {
        DpopKey(Arc::new(Place::Memory(Mutex::new(signer.into()))))
    }

    /// A key in a PKCS#8 PEM file, such as a mounted secret, that is read again for each token request.
    ///
    /// While the file is unusable, the last good key is used and a warning is logged.
    #[must_use]
    pub fn from_file(path: impl Into<PathBuf>, algorithm: Algorithm) -> Self {
        DpopKey(Arc::new(Place::File(key_file(path.into(), algorithm))))
    }

    /// Replaces the key for all tokens that are requested from now on.
    ///
    /// # Errors
    /// `ConfigError` on `dpop` for a shared secret or a key whose proofs are too large, and if the key is in a file.
    pub fn rotate(&self, signer: impl Into<Arc<Signer>>) -> Result<(), ConfigError> {
        let signer = signer.into();
        let Place::Memory(current) = &*self.0 else {
            return Err(ConfigError::new("dpop", "the key is in a file; replace the file"));
        };
        ConfigError::check(fault_of(&signer).into_iter().collect())?;
        *current.lock().unwrap_or_else(PoisonError::into_inner) = signer;
        Ok(())
    }

    /// The key for the next token.
    pub(super) async fn current(&self) -> Result<Arc<Signer>, OutboundError> {
        match &*self.0 {
            Place::Memory(signer) => Ok(Arc::clone(&signer.lock().unwrap_or_else(PoisonError::into_inner))),
            Place::File(file) => Ok(file.current().await?),
        }
    }

    pub(super) fn fault(&self) -> Option<Fault> {
        match &*self.0 {
            Place::Memory(signer) => fault_of(&signer.lock().unwrap_or_else(PoisonError::into_inner)),
            Place::File(_) => None, // not read yet
        }
    }
}

/// The fault of a key that cannot make a proof.
fn fault_of(signer: &Signer) -> Option<Fault> {
    let trial = ProofDraft::new("POST", "https://id.example.com/token", UnixTime::from_secs(0)).sign(signer);
    trial.err().map(|error| Fault::new("dpop", error.to_string()))
}

impl fmt::Debug for DpopKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_tuple("DpopKey");
        match &*self.0 {
            Place::Memory(signer) => shown.field(&signer.lock().unwrap_or_else(PoisonError::into_inner)),
            Place::File(file) => shown.field(&file.path()),
        };
        shown.finish()
    }
}
