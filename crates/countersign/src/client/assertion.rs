//! JWTs that authenticate a client, or act as a grant, at a token service (RFC 7521, RFC 7523 as updated by RFC 10070).

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::{Clock, SourceClock};
use countersign_core::error::Fault;
use countersign_core::key::Algorithm;
use countersign_core::mint::{CertificateThumbprint, Draft, Signer};
use countersign_core::secret::Secret;
use serde_json::json;
use uuid::Uuid;

use super::error::ClientError;
use super::key_file::key_file;
use super::text_file::{RotatingFile, read_text};

/// The lifetime of an assertion signed here. It is sent at once, and services refuse long-lived ones.
const ASSERTION_LIFETIME: Duration = Duration::from_secs(60);

/// The type of an assertion that authenticates a client (RFC 10070).
pub(crate) const CLIENT_AUTHENTICATION: &str = "client-authentication+jwt";

/// The type of an assertion that is a grant. Neither RFC 7523 §2.1 nor RFC 10070 defines one: the latter types only assertions
/// that authenticate clients.
pub(crate) const GRANT: &str = "JWT";

/// A JWT that authenticates a client or acts as a grant: signed for each request, or read from a file.
///
/// A signed one lasts a minute, is used once, and has the token service's issuer as its only audience, unless others are
/// [added](Self::add_audience).
///
/// ```
/// use countersign::key::Algorithm;
/// use countersign::mint::Signer;
/// use countersign::outbound::Assertion;
///
/// let signer = Signer::generate(Algorithm::ES256).unwrap(); // in production: Signer::from_pkcs8_pem
/// let signed = Assertion::new("orders", "orders", signer);
/// let from_platform = Assertion::from_file("/var/run/secrets/tokens/id");
/// # let _ = (signed, from_platform);
/// ```
#[derive(Clone)]
pub struct Assertion {
    origin: Origin,
    clock: SourceClock,
}

#[derive(Clone)]
enum Origin {
    Signed { issuer: String, subject: String, audiences: Vec<String>, key: Key, certificate: Option<CertificateFile> },
    File(PathBuf),
}

type CertificateFile = Arc<RotatingFile<CertificateThumbprint>>;

/// The key that signs.
#[derive(Clone)]
enum Key {
    Value(Arc<Signer>),
    File(Arc<RotatingFile<Signer>>),
}

impl Key {
    async fn current(&self) -> Result<Arc<Signer>, ClientError> {
        match self {
            Key::Value(signer) => Ok(Arc::clone(signer)),
            Key::File(file) => file.current().await,
        }
    }
}

impl Assertion {
    /// Signs assertions of `issuer` about `subject` with this key, whose `kid` the token service knows.
    #[must_use]
    pub fn new(issuer: impl Into<String>, subject: impl Into<String>, signer: impl Into<Arc<Signer>>) -> Self {
        Self::signed(issuer.into(), subject.into(), Key::Value(signer.into()))
    }

    /// As [`new`](Self::new), with a key in a PKCS#8 PEM file that is read again at each use, such as a mounted secret.
    ///
    /// The `kid` is the key's thumbprint (RFC 7638). While the file is unusable, the last good key signs and a warning is
    /// logged.
    #[must_use]
    pub fn with_key_file(
        issuer: impl Into<String>,
        subject: impl Into<String>,
        path: impl Into<PathBuf>,
        algorithm: Algorithm,
    ) -> Self {
        let key = Key::File(Arc::new(key_file(path.into(), algorithm)));
        Self::signed(issuer.into(), subject.into(), key)
    }

    fn signed(issuer: String, subject: String, key: Key) -> Self {
        let origin = Origin::Signed { issuer, subject, audiences: Vec::new(), key, certificate: None };
        Assertion { origin, clock: SourceClock::default() }
    }

    /// Adds an audience besides the token service, for services that give the audiences of a grant to the token, such as Ory
    /// Hydra.
    ///
    /// Each audience that receives the assertion can present it to the others. An assertion in a file has its own audiences, and
    /// ignores these.
    ///
    /// ```
    /// use countersign::key::Algorithm;
    /// use countersign::mint::Signer;
    /// use countersign::outbound::Assertion;
    ///
    /// let signer = Signer::generate(Algorithm::ES256).unwrap();
    /// let grant = Assertion::new("https://partner.example", "ann", signer).add_audience("orders");
    /// # let _ = grant;
    /// ```
    #[must_use]
    pub fn add_audience(mut self, audience: impl Into<String>) -> Self {
        if let Origin::Signed { audiences, .. } = &mut self.origin {
            audiences.push(audience.into());
        }
        self
    }

    /// Names the key by the thumbprint of its certificate (`x5t#S256`, RFC 7515 §4.1.8), which is the first in this PEM file, read
    /// again at each use: for Microsoft Entra.
    ///
    /// The assertion then has the form that Entra documents: no `kid`, the type `JWT`, and `nbf`. A file that has a private key is refused;
    /// the key is in a file of its own. An assertion in a file ignores the certificate.
    ///
    /// ```
    /// use countersign::key::Algorithm;
    /// use countersign::outbound::Assertion;
    ///
    /// let client = "b1111111-2222-4333-8444-555555555555";
    /// let assertion = Assertion::with_key_file(client, client, "/run/secrets/billing.pem", Algorithm::PS256)
    ///     .certificate_file("/run/secrets/billing.crt");
    /// # let _ = assertion;
    /// ```
    #[must_use]
    pub fn certificate_file(mut self, path: impl Into<PathBuf>) -> Self {
        let parse = |pem: &Secret<String>| {
            let problem = "the certificate file has no certificate (PEM), or has a private key too";
            CertificateThumbprint::from_pem(pem.expose()).ok_or_else(|| ClientError::refused(problem))
        };
        if let Origin::Signed { certificate, .. } = &mut self.origin {
            *certificate = Some(Arc::new(RotatingFile::new(path.into(), "certificate", parse)));
        }
        self
    }

    /// Reads the assertion from this file for every use, such as a projected workload token.
    #[must_use]
    pub fn from_file(path: impl Into<PathBuf>) -> Self {
        Assertion { origin: Origin::File(path.into()), clock: SourceClock::default() }
    }

    /// Returns whether another key or assertion may be read later.
    pub(crate) fn may_change(&self) -> bool {
        matches!(self.origin, Origin::Signed { key: Key::File(_), .. } | Origin::File(_))
    }

    /// The file that has the key or the assertion, if a file does.
    pub(crate) fn file(&self) -> Option<&Path> {
        match &self.origin {
            Origin::Signed { key: Key::File(file), .. } => Some(file.path()),
            Origin::Signed { key: Key::Value(_), .. } => None,
            Origin::File(path) => Some(path),
        }
    }

    /// The identity of the key that signs now; `None` if the assertion itself is read.
    pub(crate) async fn key(&self) -> Result<Option<Arc<Signer>>, ClientError> {
        match &self.origin {
            Origin::Signed { key, .. } => key.current().await.map(Some),
            Origin::File(_) => Ok(None),
        }
    }

    /// Returns whether it is signed here, and so needs an audience.
    pub(crate) fn is_signed_here(&self) -> bool {
        matches!(self.origin, Origin::Signed { .. })
    }

    pub(crate) fn attach(&self, clock: &Arc<dyn Clock>) -> Vec<Fault> {
        let mut faults = Vec::from_iter(self.clock.attach(clock));
        if let Origin::Signed { issuer, subject, audiences, .. } = &self.origin {
            if issuer.is_empty() || subject.is_empty() {
                faults.push(Fault::new("assertion", "its issuer or subject is empty; name both"));
            }
            if audiences.iter().any(String::is_empty) {
                faults.push(Fault::new("assertion", "an added audience is empty; name the service"));
            }
        }
        faults
    }

    /// A new assertion for `audience`, or the one in the file.
    pub(crate) async fn token(&self, token_type: &str, audience: &str) -> Result<Secret<String>, ClientError> {
        match &self.origin {
            Origin::File(path) => read_text(path, "token").await,
            Origin::Signed { issuer, subject, audiences, key, certificate } => {
                let signer = key.current().await?;
                let now = self.clock.get().now();
                let draft = match certificate {
                    Some(file) => {
                        let thumbprint = CertificateThumbprint::clone(&*file.current().await?);
                        Draft::with_type(GRANT).certificate(thumbprint).not_before(now)
                    }
                    None => Draft::with_type(token_type),
                };
                let audience = match &audiences[..] {
                    [] => json!(audience),
                    others => json!([&[audience.to_owned()], others].concat()),
                };
                draft
                    .issuer(issuer.as_str())
                    .subject(subject.as_str())
                    .claim("aud", audience)
                    .issued_at(now)
                    .expires_at(now.saturating_add(ASSERTION_LIFETIME))
                    .token_id(Uuid::now_v7().to_string())
                    .sign(&signer)
                    .map(Secret::new)
                    .map_err(|_| ClientError::refused("the assertion could not be signed"))
            }
        }
    }
}

impl fmt::Debug for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Assertion");
        match &self.origin {
            Origin::Signed { issuer, key: Key::Value(signer), .. } => {
                shown.field("issuer", issuer).field("key_id", &signer.key_id())
            }
            Origin::Signed { issuer, key: Key::File(file), .. } => {
                shown.field("issuer", issuer).field("file", &file.path())
            }
            Origin::File(path) => shown.field("file", path),
        };
        shown.finish_non_exhaustive()
    }
}
