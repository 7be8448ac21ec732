//! The table of reasons for refusing a token.

/// Generates the enum, its codes, its remedies and the list of kinds from one table.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident => $code:literal, $remedy:literal;)*) => {
        /// The kinds of [`VerifyError`](super::VerifyError), each with its stable code and its remedy.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum VerifyErrorKind {
            $($(#[$doc])* #[doc = concat!("\n\nCode: `", $code, "`. Remedy: ", $remedy, ".")] $kind,)*
        }

        impl VerifyErrorKind {
            /// Every kind, in the order of the pipeline.
            pub const ALL: &'static [VerifyErrorKind] = &[$(VerifyErrorKind::$kind,)*];

            /// The stable code: lower case, words joined by `_`.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(VerifyErrorKind::$kind => $code,)* }
            }

            /// Returns whether the token was left unverified (503, retry), not refused (401).
            #[must_use]
            pub const fn is_unavailable(self) -> bool {
                matches!(
                    self,
                    VerifyErrorKind::KeysUnavailable
                        | VerifyErrorKind::IntrospectionUnavailable
                        | VerifyErrorKind::ApiKeysUnavailable
                )
            }

            /// A one-line remedy for those who configure the service or its clients.
            ///
            /// The wording may change.
            ///
            /// ```
            /// use countersign_core::error::VerifyErrorKind;
            ///
            /// assert_eq!(VerifyErrorKind::NotYetValid.remedy(), "compare the clocks of issuer and service");
            /// ```
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $(VerifyErrorKind::$kind => $remedy,)* }
            }
        }
    };
}

kinds! {
    /// The token is longer than the verifier accepts.
    TooLarge => "too_large",
        "issue smaller tokens, or raise max_token_bytes";
    /// The token is not three base64url segments of JSON, or its JSON has duplicate names.
    Malformed => "malformed",
        "send the token unchanged: three base64url parts with dots between, no quotes, no line breaks";
    /// The token is encrypted (JWE, five segments).
    Encrypted => "jwe_unsupported",
        "issue signed tokens (JWS); encrypted tokens are not supported";
    /// The token contains another token (`cty: JWT`).
    Nested => "nested_unsupported",
        "issue plain tokens, without cty: JWT";
    /// The header's `crit` names an extension, or `b64` turns the encoding off.
    CriticalHeader => "critical_header",
        "issue without crit and b64";
    /// The `iss` is not that of a trusted issuer.
    UnknownIssuer => "unknown_issuer",
        "compare iss with the configured issuer character by character; a trailing slash counts";
    /// `alg` is not on the issuer's list.
    AlgorithmNotAllowed => "algorithm_not_allowed",
        "allow the algorithm in the policy if the issuer is meant to use it; never because a token names it";
    /// The policy does not accept this `typ`.
    WrongType => "wrong_type",
        "choose the profile that fits the issuer, or send the access token";
    /// The token is an ID token, not an access token.
    IdToken => "id_token",
        "send the access token; this is an ID token, meant for the client";
    /// `aud` does not name this service.
    WrongAudience => "wrong_audience",
        "ask the issuer for a token whose aud names this service, or correct the configured audience";
    /// The token has expired.
    Expired => "expired",
        "fetch a new token; if new tokens fail too, compare the clocks";
    /// `nbf` is in the future.
    NotYetValid => "not_yet_valid",
        "compare the clocks of issuer and service";
    /// `iat` is in the future.
    IssuedInFuture => "issued_in_future",
        "compare the clocks of issuer and service";
    /// The token is older than the policy's `max_age`.
    TooOld => "too_old",
        "fetch a new token; the policy's max_age requires a newer one";
    /// The message with the token was put into its queue in the future.
    EnqueuedInFuture => "enqueued_in_future",
        "compare the clocks of queue and service";
    /// The message with the token waited longer than the queue's verifier permits.
    WaitedTooLong => "waited_too_long",
        "have the producer send it again, or do the work with the worker's own token";
    /// `exp - iat` exceeds the policy's limit, or is not positive.
    LifetimeTooLong => "lifetime_too_long",
        "shorten exp - iat at the issuer";
    /// A claim that the policy requires is absent or empty.
    MissingClaim => "missing_claim",
        "have the issuer add the claim, or choose a profile that does not require it";
    /// A claim does not have the value that the policy requires.
    WrongClaim => "wrong_claim",
        "compare the claim with the value that the policy requires";
    /// A claim does not have the JSON type or range of its definition.
    InvalidClaim => "invalid_claim",
        "correct the issuer: the claim has another JSON type or range than its definition";
    /// The issuer's policy does not allow the subject or client.
    SubjectNotAllowed => "subject_not_allowed",
        "use a subject or client that the issuer's policy allows";
    /// The token is bound to a key (`cnf`), and the sender did not prove possession of it.
    ProofRequired => "proof_required",
        "send the proof (DPoP or certificate) that the token is bound to";
    /// The token is bound to another key than the one whose possession the sender proved.
    ProofMismatch => "proof_mismatch",
        "use the token with the key that it was issued for; a token that left its owner is worthless to others";
    /// The token is not bound to a key, although it was sent with a proof or the policy demands one.
    NotBound => "not_bound",
        "have the client ask for a token that is bound to its key (DPoP or certificate), or send an unbound one as Bearer";
    /// The issuer's current key set does not contain the key.
    UnknownKey => "unknown_key",
        "fetch a new token; if that fails too, check that the issuer publishes its signing key";
    /// The key belongs to another algorithm.
    KeyMismatch => "key_mismatch",
        "correct alg in the issuer's key set, or the algorithm that it signs with";
    /// The signature does not match.
    BadSignature => "bad_signature",
        "fetch a new token: this one was modified, or signed with another key";
    /// The token was revoked.
    Revoked => "revoked",
        "fetch a new token";
    /// The token is suspended: its issuer does not let it be used for now.
    Suspended => "suspended",
        "try again later, or ask the issuer why the token is suspended";
    /// The authorization server says that the token is not active: unknown, expired, revoked, or not for this service. Or the
    /// store of API keys has no such key.
    NotActive => "not_active",
        "fetch a new token, or use another API key; the authority does not vouch for this one";
    /// The introspection endpoint could not be asked, or its answer cannot be used, so the token was not checked.
    IntrospectionUnavailable => "introspection_unavailable",
        "try again; check that the introspection endpoint is reachable from here, and the client's credential";
    /// The store of API keys could not be read, so the key was not checked.
    ApiKeysUnavailable => "api_keys_unavailable",
        "try again; check that the store of API keys is reachable from here";
    /// The keys could not be fetched, so the token was not checked.
    KeysUnavailable => "keys_unavailable",
        "try again; check that the issuer's keys are reachable from here";
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
            assert!(!kind.remedy().is_empty() && !kind.remedy().ends_with('.'), "{code}");
            assert!(code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{code}");
        }
    }
}
