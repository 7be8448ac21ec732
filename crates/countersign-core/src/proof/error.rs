//! The reasons for refusing a proof.

use std::borrow::Cow;
use std::fmt;

use crate::error::VerifyError;

/// Generates the enum, its codes and its remedies from one table.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident => $code:literal, $remedy:literal;)*) => {
        /// The kinds of [`ProofError`], each with its stable code and its remedy.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ProofErrorKind {
            $($(#[$doc])* #[doc = concat!("\n\nCode: `", $code, "`. Remedy: ", $remedy, ".")] $kind,)*
        }

        impl ProofErrorKind {
            /// Every kind, in the order of the checks.
            pub const ALL: &'static [ProofErrorKind] = &[$(ProofErrorKind::$kind,)*];

            /// The stable code: lower case, words joined by `_`.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(ProofErrorKind::$kind => $code,)* }
            }

            /// A one-line remedy for those who write the client; the wording may change.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $(ProofErrorKind::$kind => $remedy,)* }
            }
        }
    };
}

kinds! {
    /// The request has no proof, or more than one.
    Missing => "proof_missing",
        "send exactly one DPoP header, with a proof of its own for each request";
    /// The proof is longer than 8 KiB.
    TooLarge => "proof_too_large",
        "send only the claims of RFC 9449 §4.2 and the public key";
    /// The proof is not a JWT of the right form, or lacks a claim.
    Malformed => "proof_malformed",
        "write the proof as RFC 9449 §4.2 says";
    /// `typ` is not `dpop+jwt`.
    WrongType => "proof_wrong_type",
        "set typ to dpop+jwt";
    /// `alg` is not on the list.
    AlgorithmNotAllowed => "proof_algorithm_not_allowed",
        "sign proofs with an algorithm of the challenge's algs";
    /// `jwk` is absent, weak or private, or does not fit `alg`.
    BadKey => "proof_bad_key",
        "put the public key into jwk, and nothing of the private key";
    /// The proof is too old, or its times are in the future.
    NotFresh => "proof_not_fresh",
        "make a new proof for each request; compare the clocks of client and service";
    /// `htm` is not the method of the request.
    WrongMethod => "proof_wrong_method",
        "set htm to the method of the request, in upper case";
    /// `htu` is not the address of the request.
    WrongUri => "proof_wrong_uri",
        "set htu to the address of the request without query and fragment; compare it with the external URL of the service";
    /// `ath` is not the hash of the access token.
    WrongToken => "proof_wrong_token",
        "set ath to the SHA-256 of the access token, in base64url";
    /// The signature does not match `jwk`.
    BadSignature => "proof_bad_signature",
        "sign the proof with the private key of jwk";
    /// The proof lacks a nonce of this service, or has one that is over.
    NonceRequired => "proof_nonce_required",
        "repeat the request with the nonce of the header DPoP-Nonce";
    /// The proof was used before.
    Replayed => "proof_replayed",
        "make a new proof, with a new jti, for each request";
    /// The share of this caller in the replay store is used up.
    ShareUsedUp => "proof_share_used_up",
        "send fewer requests, or raise max_proofs of the replay store";
    /// It is unknown now whether the proof was used before.
    Undecided => "proof_undecided",
        "try again; check the replay store of the service";
}

/// The reason for refusing a proof of possession.
///
/// `code()` is stable and meant for programs. The detail is meant for the operator's log; text taken from the proof is escaped
/// and truncated.
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct ProofError {
    kind: ProofErrorKind,
    detail: Cow<'static, str>,
}

impl ProofError {
    /// An error of this kind; `detail` contains text from the proof only escaped.
    pub fn new(kind: ProofErrorKind, detail: impl Into<Cow<'static, str>>) -> Self {
        ProofError { kind, detail: detail.into() }
    }

    /// The kind, to match on.
    #[must_use]
    pub const fn kind(&self) -> ProofErrorKind {
        self.kind
    }

    /// The stable code, such as `proof_wrong_uri`; the table is at [`ProofErrorKind`].
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.kind.code()
    }

    /// The description for the operator, without the code.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Returns whether the proof was left unchecked (503, retry), not refused (401).
    #[must_use]
    pub const fn is_unavailable(&self) -> bool {
        matches!(self.kind, ProofErrorKind::Undecided | ProofErrorKind::ShareUsedUp)
    }

    /// The fault of the form of a proof.
    pub(super) fn of_form(error: &VerifyError) -> Self {
        use crate::error::VerifyErrorKind as Kind;
        let kind = if error.kind() == Kind::TooLarge { ProofErrorKind::TooLarge } else { ProofErrorKind::Malformed };
        ProofError::new(kind, error.detail().replace("the token", "the proof"))
    }
}

impl fmt::Display for ProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.detail)
    }
}

/// As `Display`.
impl fmt::Debug for ProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ProofError {}
