//! The table of attacks, with the name and the expected refusal of each.

use countersign_core::error::VerifyErrorKind::{self, *};

macro_rules! attacks {
    ($($(#[$doc:meta])* $attack:ident => $name:literal, [$($kind:ident),+];)*) => {
        /// An attack: a forged token, or a valid one used as what it is not.
        ///
        /// Run all of them against your service in one loop. Each is made from a token that would be accepted:
        ///
        /// ```
        /// use countersign_test::{Attack, TestIssuer};
        ///
        /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        /// let issuer = TestIssuer::new();
        /// let verifier = issuer.verifier_for("orders"); // or your service, over HTTP
        /// let honest = issuer.token().audience("orders").scope("orders:read");
        /// assert!(verifier.verify(&honest.sign()).await.is_ok());
        ///
        /// for attack in Attack::ALL {
        ///     let forged = honest.clone().hostile(*attack).sign();
        ///     let refused = verifier.verify(&forged).await.expect_err(attack.name());
        ///     assert!(attack.expected().contains(&refused.kind()), "{}: {refused}", attack.name());
        /// }
        /// # });
        /// ```
        ///
        /// They are for issuers with key pairs. With a shared secret, there is no public key to confuse.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Attack {
            $($(#[$doc])* #[doc = concat!("\n\nName: `", $name, "`.")] $attack,)*
        }

        impl Attack {
            /// All attacks, those on the encoding first.
            pub const ALL: &'static [Attack] = &[$(Attack::$attack,)*];

            /// The stable name: lower-case words joined by `_`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Attack::$attack => $name,)* }
            }

            /// The refusals that are right for a verifier of this project.
            ///
            /// The first one is for a plain [`TestIssuer`]; the others are for policies that allow more algorithms, and for
            /// sets with more keys.
            ///
            /// [`TestIssuer`]: crate::TestIssuer
            #[must_use]
            pub const fn expected(self) -> &'static [VerifyErrorKind] {
                match self { $(Attack::$attack => &[$($kind),+],)* }
            }
        }
    };
}

attacks! {
    /// Two segments: header and payload without a signature or its dot.
    TwoSegments => "two_segments", [Malformed];
    /// A fourth segment after the signature.
    FourSegments => "four_segments", [Malformed];
    /// The shape of an encrypted token (JWE): five segments.
    JweShape => "jwe_shape", [Encrypted];
    /// The JSON serialisation of a JWS; over HTTP it is a malformed header (400).
    JsonSerialization => "json_serialization", [Malformed];
    /// `=` after the signature.
    PaddedBase64 => "padded_base64", [Malformed];
    /// A second spelling of the same bytes: unused trailing bits that are set.
    TrailingBits => "trailing_bits", [Malformed];
    /// A length that base64 cannot have.
    ImpossibleLength => "impossible_length", [Malformed];
    /// Longer than the largest limit of a verifier here (64 KiB).
    Oversize => "oversize", [TooLarge];
    /// A header of more than 4 KiB.
    OversizeHeader => "oversize_header", [TooLarge];
    /// A header nested 200 deep.
    DeepHeader => "deep_header", [Malformed];
    /// Claims nested 200 deep.
    DeepClaims => "deep_claims", [Malformed];
    /// A number of 200 digits.
    EndlessNumber => "endless_number", [Malformed];
    /// Signed claims that are a list: code that reads claims by name finds none to refuse.
    PayloadArray => "payload_array", [Malformed];
    /// Signed claims that are not JSON.
    PayloadText => "payload_text", [Malformed];
    /// A second JSON object after the header's.
    TrailingHeader => "trailing_header", [Malformed];
    /// A header that is not UTF-8.
    HeaderNotUtf8 => "header_not_utf8", [Malformed];
    /// `alg` twice: `none` first, the true one last.
    DuplicateHeaderMember => "duplicate_header_member", [Malformed];
    /// `sub` twice, both signed.
    DuplicateClaim => "duplicate_claim", [Malformed];
    /// `sub` twice, the second spelled with an escape.
    DuplicateClaimEscaped => "duplicate_claim_escaped", [Malformed];
    /// A token within a token (`cty: JWT`).
    NestedJwt => "nested_jwt", [Nested];
    /// `crit` names an unknown extension.
    CritUnknown => "crit_unknown", [CriticalHeader];
    /// `crit` names a claim.
    CritClaim => "crit_claim", [CriticalHeader];
    /// An empty `crit`.
    CritEmpty => "crit_empty", [CriticalHeader];
    /// `b64: false` with its `crit` (RFC 7797).
    Unencoded => "unencoded", [CriticalHeader];
    /// `b64: false` without `crit`.
    UnencodedNotCritical => "unencoded_not_critical", [CriticalHeader];

    /// `alg: none` and nothing after the last dot.
    AlgNoneUnsigned => "alg_none_unsigned", [Malformed];
    /// `alg: none` over the honest signature.
    AlgNone => "alg_none", [AlgorithmNotAllowed];
    /// `alg: None`.
    AlgNoneCapitalised => "alg_none_capitalised", [AlgorithmNotAllowed];
    /// `alg: NONE`.
    AlgNoneUpperCase => "alg_none_upper_case", [AlgorithmNotAllowed];
    /// `alg: nOnE`.
    AlgNoneMixedCase => "alg_none_mixed_case", [AlgorithmNotAllowed];
    /// `alg: " none"`.
    AlgNoneSpace => "alg_none_space", [AlgorithmNotAllowed];
    /// `alg: "none\u0000"`.
    AlgNoneNul => "alg_none_nul", [AlgorithmNotAllowed];
    /// An empty `alg`.
    AlgEmpty => "alg_empty", [AlgorithmNotAllowed];
    /// No `alg`.
    AlgMissing => "alg_missing", [Malformed];
    /// `alg` as a list of one.
    AlgList => "alg_list", [Malformed];
    /// The correct `alg` in lower case, with a valid signature.
    AlgLowerCase => "alg_lower_case", [AlgorithmNotAllowed];
    /// Another algorithm with a matching key, under the issuer's `kid`.
    AlgSwapped => "alg_swapped", [AlgorithmNotAllowed, KeyMismatch];
    /// HS256 keyed with the issuer's public key as PEM.
    HmacWithPem => "hmac_with_pem", [AlgorithmNotAllowed, KeyMismatch, BadSignature];
    /// HS256 keyed with the issuer's public key as PEM without the final line break.
    HmacWithPemTrimmed => "hmac_with_pem_trimmed", [AlgorithmNotAllowed, KeyMismatch, BadSignature];
    /// HS512 keyed with the issuer's public key as PEM.
    Hmac512WithPem => "hmac_512_with_pem", [AlgorithmNotAllowed, KeyMismatch, BadSignature];
    /// HS256 keyed with the issuer's public key as DER.
    HmacWithDer => "hmac_with_der", [AlgorithmNotAllowed, KeyMismatch, BadSignature];
    /// HS256 keyed with the issuer's public key as a JWK.
    HmacWithJwk => "hmac_with_jwk", [AlgorithmNotAllowed, KeyMismatch, BadSignature];
    /// HS256 with an empty key.
    HmacWithEmptyKey => "hmac_with_empty_key", [AlgorithmNotAllowed, KeyMismatch, BadSignature];

    /// One bit of the signature flipped.
    SignatureBitFlipped => "signature_bit_flipped", [BadSignature];
    /// The signature without its last byte.
    SignatureTruncated => "signature_truncated", [BadSignature];
    /// A zero byte after the signature.
    SignatureLengthened => "signature_lengthened", [BadSignature];
    /// A signature of zero bytes (CVE-2022-21449).
    SignatureZero => "signature_zero", [BadSignature];
    /// The DER form of a zero signature, `MAYCAQACAQA` (CVE-2022-21449).
    SignatureZeroDer => "signature_zero_der", [BadSignature];
    /// The honest signature in DER, the encoding of X.509 instead of JOSE.
    SignatureDer => "signature_der", [BadSignature];
    /// Nothing after the last dot.
    SignatureEmpty => "signature_empty", [Malformed];
    /// Another subject under the honest signature.
    PayloadSwapped => "payload_swapped", [BadSignature];
    /// A header member added under the honest signature.
    HeaderChanged => "header_changed", [BadSignature];

    /// Signed with the attacker's key, under the issuer's `kid`.
    ForeignKeyOurKid => "foreign_key_our_kid", [BadSignature];
    /// Signed with the attacker's key, under its own `kid`.
    ForeignKey => "foreign_key", [UnknownKey];
    /// Signed with the attacker's key, without a `kid`.
    ForeignKeyNoKid => "foreign_key_no_kid", [BadSignature, UnknownKey];
    /// Signed with the honest key, under an unknown `kid`.
    UnknownKid => "unknown_kid", [UnknownKey];
    /// An empty `kid`, which is not an absent one.
    EmptyKid => "empty_kid", [Malformed];
    /// `kid` as a number.
    KidNumber => "kid_number", [Malformed];
    /// A `kid` of 300 bytes.
    KidTooLong => "kid_too_long", [Malformed];
    /// A `kid` that is a file path, for verifiers that load keys by path.
    KidPath => "kid_path", [UnknownKey];
    /// A `kid` that ends an SQL statement.
    KidSql => "kid_sql", [UnknownKey];
    /// A `kid` with a line break, to forge log lines.
    KidLineBreak => "kid_line_break", [UnknownKey];
    /// The attacker's key in the header (`jwk`), under its own `kid` (CVE-2018-0114).
    EmbeddedJwk => "embedded_jwk", [UnknownKey];
    /// The attacker's key in the header (`jwk`), under the issuer's `kid`.
    EmbeddedJwkOurKid => "embedded_jwk_our_kid", [BadSignature];
    /// The attacker's URL for keys (`jku`).
    Jku => "jku", [UnknownKey];
    /// The attacker's URL for certificates (`x5u`).
    X5u => "x5u", [UnknownKey];
    /// The attacker's certificate in the header (`x5c`).
    X5c => "x5c", [UnknownKey];

    /// The audience is another service.
    WrongAudience => "wrong_audience", [WrongAudience];
    /// The audience begins with the service's name.
    AudiencePrefix => "audience_prefix", [WrongAudience];
    /// The service's name and another one in one string.
    AudienceJoined => "audience_joined", [WrongAudience];
    /// No audience.
    NoAudience => "no_audience", [WrongAudience];
    /// The service's name in a list with a number.
    AudienceMixed => "audience_mixed", [WrongAudience];
    /// An untrusted issuer, signed with the trusted issuer's key.
    WrongIssuer => "wrong_issuer", [UnknownIssuer];
    /// The issuer with a trailing slash.
    IssuerSlash => "issuer_slash", [UnknownIssuer];
    /// The issuer as the beginning of another host name.
    IssuerPrefix => "issuer_prefix", [UnknownIssuer];
    /// A list of issuers, the trusted one first (CVE-2025-30144).
    IssuerList => "issuer_list", [InvalidClaim];
    /// No issuer.
    NoIssuer => "no_issuer", [MissingClaim];
    /// Expired an hour ago.
    Expired => "expired", [Expired];
    /// No expiry.
    NoExpiry => "no_expiry", [MissingClaim];
    /// `exp` as text, which a lax parser treats as absent (CVE-2026-25537).
    ExpiryText => "expiry_text", [InvalidClaim];
    /// `exp: null`.
    ExpiryNull => "expiry_null", [InvalidClaim];
    /// `exp` in milliseconds, a lifetime of 50 000 years.
    ExpiryMilliseconds => "expiry_milliseconds", [InvalidClaim];
    /// `exp` larger than any integer type.
    ExpiryHuge => "expiry_huge", [InvalidClaim];
    /// A negative `exp`, which wraps to the far future in careless arithmetic.
    ExpiryNegative => "expiry_negative", [InvalidClaim];
    /// Valid from an hour from now.
    NotYetValid => "not_yet_valid", [NotYetValid];
    /// Issued an hour from now.
    IssuedInFuture => "issued_in_future", [IssuedInFuture];
    /// A subject that is not a string.
    SubjectNumber => "subject_number", [InvalidClaim];
    /// `scope` as a list with two scopes in one entry.
    ScopeList => "scope_list", [InvalidClaim];
    /// An ID token (`nonce`; `typ` or `token_use` if the draft has that claim), which is for the client.
    IdToken => "id_token", [IdToken, WrongType];
    /// The `typ` of a logout token.
    TypLogout => "typ_logout", [WrongType];
    /// The `typ` of a DPoP proof.
    TypDpopProof => "typ_dpop_proof", [WrongType];
    /// The `typ` of a client assertion.
    TypClientAssertion => "typ_client_assertion", [WrongType];
    /// Bound to a client's key (`cnf.jkt`), sent as a plain bearer token.
    DpopBound => "dpop_bound", [ProofRequired];
    /// Bound to a client's certificate (`cnf.x5t#S256`), sent without it.
    CertificateBound => "certificate_bound", [ProofRequired];
    /// Bound to what no service checks (`cnf.kid`).
    ConfirmationUnknown => "confirmation_unknown_as_bearer", [ProofRequired];
    /// An empty `cnf`, which a lax service takes for an absent one.
    ConfirmationEmpty => "confirmation_empty_as_bearer", [ProofRequired];
    /// `cnf: null`, which a lax service takes for an absent one.
    ConfirmationNull => "confirmation_null_as_bearer", [ProofRequired];

    /// An opaque token that nobody issued: 32 random bytes in base64url.
    OpaqueRandom => "opaque_random", [Malformed];
    /// An opaque token that nobody issued, in the form of a UUID.
    OpaqueUuid => "opaque_uuid", [Malformed];
    /// A guessable opaque token, made of the subject.
    OpaqueSubject => "opaque_subject", [Malformed];
}

impl Attack {
    /// The status of an HTTP service's response: 400 if an `Authorization` header of RFC 6750 cannot hold the text, else
    /// 401.
    ///
    /// ```
    /// use countersign_test::Attack;
    ///
    /// assert_eq!(Attack::AlgNone.expected_status(), 401);
    /// assert_eq!(Attack::JsonSerialization.expected_status(), 400);
    /// ```
    #[must_use]
    pub const fn expected_status(self) -> u16 {
        if matches!(self, Attack::JsonSerialization) { 400 } else { 401 }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Attack;

    #[test]
    fn names_are_unique_and_in_one_form() {
        let names: HashSet<&str> = Attack::ALL.iter().map(|attack| attack.name()).collect();
        assert_eq!(names.len(), Attack::ALL.len());
        assert!(
            names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit()))
        );
    }
}
