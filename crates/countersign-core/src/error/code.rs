//! The one table of reasons for refusing a token.

/// Writes the enum, its stable codes and the list of all kinds from one table.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident => $code:literal,)*) => {
        /// The kinds of [`VerifyError`](super::VerifyError): cause and cure of each, with its stable code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum VerifyErrorKind {
            $($(#[$doc])* #[doc = concat!("\n\nCode: `", $code, "`.")] $kind,)*
        }

        impl VerifyErrorKind {
            /// Every kind, in the order of the pipeline.
            pub const ALL: &'static [VerifyErrorKind] = &[$(VerifyErrorKind::$kind,)*];

            /// The stable code: lower case, words joined by `_`.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(VerifyErrorKind::$kind => $code,)* }
            }
        }
    };
}

kinds! {
    /// The token is longer than the verifier reads. Cure: issue smaller tokens, or raise `max_token_bytes`.
    TooLarge => "too_large",
    /// Not three base64url segments of JSON objects, or JSON with doubled names. Cure: send the token unchanged.
    Malformed => "malformed",
    /// An encrypted token (JWE, five segments). Cure: issue signed tokens.
    Encrypted => "jwe_unsupported",
    /// A token wrapped in a token (`cty: JWT`). Cure: issue plain tokens.
    Nested => "nested_unsupported",
    /// The header's `crit` names an extension, or `b64` turns the encoding off. Cure: issue without it.
    CriticalHeader => "critical_header",
    /// No trusted issuer has this `iss`. Cure: compare it letter by letter with the configured one.
    UnknownIssuer => "unknown_issuer",
    /// `alg` is not on the issuer's list. Cure: allow it there if it is meant, never because a token asks.
    AlgorithmNotAllowed => "algorithm_not_allowed",
    /// `typ` is not one that this policy takes. Cure: choose the profile that fits the issuer.
    WrongType => "wrong_type",
    /// An ID token where an access token is wanted. Cure: the client must send the access token.
    IdToken => "id_token",
    /// The token is not for us. Cure: ask the issuer for a token with this service's audience.
    WrongAudience => "wrong_audience",
    /// Its time is over. Cure: fetch a new one; if fresh ones fail, compare clocks.
    Expired => "expired",
    /// `nbf` is still to come. Cure: compare clocks.
    NotYetValid => "not_yet_valid",
    /// `iat` is still to come. Cure: compare clocks.
    IssuedInFuture => "issued_in_future",
    /// Older than the policy's `max_age`. Cure: fetch a new one.
    TooOld => "too_old",
    /// `exp - iat` exceeds what the policy allows, or is not positive. Cure: shorten it at the issuer.
    LifetimeTooLong => "lifetime_too_long",
    /// A claim that the policy requires is absent or empty. Cure: have the issuer add it.
    MissingClaim => "missing_claim",
    /// A claim has another value than the policy requires. Cure: the token is another tenant's, or the policy is wrong.
    WrongClaim => "wrong_claim",
    /// A claim has another JSON type or range than its definition. Cure: mend the issuer.
    InvalidClaim => "invalid_claim",
    /// The subject or client breaks a rule of the issuer's policy.
    SubjectNotAllowed => "subject_not_allowed",
    /// Bound to a key that the sender must prove to hold (`cnf`); a bearer is not enough. Cure: send the proof.
    ProofRequired => "proof_required",
    /// The issuer's current key set has no such key. Cure: a fresh token; if that fails, check the issuer's JWKS.
    UnknownKey => "unknown_key",
    /// The key is there but belongs to another algorithm. Cure: mend the issuer's JWKS or signing configuration.
    KeyMismatch => "key_mismatch",
    /// The signature does not match. Cure: the token was changed or signed with another key; fetch a new one.
    BadSignature => "bad_signature",
    /// Revoked before its time. Cure: fetch a new one.
    Revoked => "revoked",
    /// We could not get the keys, so nothing is known about the token. Cure: retry; look at the key source's health.
    KeysUnavailable => "keys_unavailable",
}

#[cfg(test)]
mod tests {
    use super::VerifyErrorKind;

    #[test]
    fn s10_07_codes_are_unique_and_in_one_form() {
        let mut seen = std::collections::HashSet::new();
        for kind in VerifyErrorKind::ALL {
            let code = kind.code();
            assert!(seen.insert(code), "{code} twice");
            assert!(code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{code}");
        }
    }
}
