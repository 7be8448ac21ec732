//! The table of hostile answers about opaque tokens, with the name and the expected refusal of each.

macro_rules! attacks {
    ($($(#[$doc:meta])* $attack:ident => $name:literal, $code:literal, $signed:literal;)*) => {
        /// A hostile or broken answer of an introspection endpoint (RFC 7662, RFC 9701) about a token for which it could vouch.
        ///
        /// Run all of them against your service in one loop, with [`Provider::hostile_opaque`](crate::Provider::hostile_opaque). The
        /// answers of [`is_signed`](Self::is_signed) are for services that require signed answers, and the others for services
        /// that do not:
        ///
        /// ```
        /// use countersign_test::{IntrospectionAttack, Provider, TestIssuer};
        ///
        /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        /// let provider = Provider::start(&TestIssuer::new()).await.unwrap();
        /// let honest = provider.token().subject("ann").audience("orders");
        /// for attack in IntrospectionAttack::ALL.iter().filter(|attack| !attack.is_signed()) {
        ///     let token = provider.hostile_opaque(*attack, &honest);
        ///     assert!(!token.contains('.')); // in a test: send it as a bearer token, and expect attack.expected_code()
        /// }
        /// # });
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum IntrospectionAttack {
            $($(#[$doc])* #[doc = concat!("\n\nName: `", $name, "`. Expected code: `", $code, "`.")] $attack,)*
        }

        impl IntrospectionAttack {
            /// All attacks: first those on answers in JSON, then those on signed answers.
            pub const ALL: &'static [IntrospectionAttack] = &[$(IntrospectionAttack::$attack,)*];

            /// The stable name: lower-case words joined by `_`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(IntrospectionAttack::$attack => $name,)* }
            }

            /// The code of the problem body that is right for a service of this project: `introspection_unavailable` with the status
            /// 503 if the answer says nothing that can be used, otherwise one with the status 401.
            #[must_use]
            pub const fn expected_code(self) -> &'static str {
                match self { $(IntrospectionAttack::$attack => $code,)* }
            }

            /// Returns whether the answer is for a service that requires signed answers (RFC 9701).
            #[must_use]
            pub const fn is_signed(self) -> bool {
                match self { $(IntrospectionAttack::$attack => $signed,)* }
            }
        }
    };
}

attacks! {
    /// `active` is the text `true`.
    ActiveText => "active_text", "token_invalid", false;
    /// `active` is 1.
    ActiveNumber => "active_number", "token_invalid", false;
    /// `active` is a list with `true`.
    ActiveList => "active_list", "token_invalid", false;
    /// `active` is null.
    ActiveNull => "active_null", "token_invalid", false;
    /// No `active`; all other members are good.
    ActiveMissing => "active_missing", "token_invalid", false;
    /// `Active` instead of `active`.
    ActiveCapitalised => "active_capitalised", "token_invalid", false;
    /// `active` twice, first false and then true.
    ActiveTwice => "active_twice", "introspection_unavailable", false;
    /// `active` twice, the second time with an escaped letter.
    ActiveTwiceEscaped => "active_twice_escaped", "introspection_unavailable", false;
    /// `sub` twice, the second time as an administrator.
    SubjectTwice => "subject_twice", "introspection_unavailable", false;
    /// Of another issuer.
    AnotherIssuer => "another_issuer", "token_invalid", false;
    /// `iss` in a list.
    IssuerList => "issuer_list", "token_invalid", false;
    /// For another service.
    AnotherAudience => "another_audience", "token_invalid", false;
    /// No `aud`.
    AudienceMissing => "audience_missing", "token_invalid", false;
    /// `aud` is an empty list.
    AudienceEmpty => "audience_empty", "token_invalid", false;
    /// `aud` is a number.
    AudienceNumber => "audience_number", "token_invalid", false;
    /// Active although it expired an hour ago.
    ActiveExpired => "active_expired", "token_expired", false;
    /// No `exp`.
    ExpiryMissing => "expiry_missing", "token_invalid", false;
    /// `exp` is text.
    ExpiryText => "expiry_text", "token_invalid", false;
    /// Active although it is valid only in an hour.
    ActiveEarly => "active_early", "token_not_yet_valid", false;
    /// About a refresh token (`token_type`).
    RefreshToken => "refresh_token", "token_invalid", false;
    /// About an ID token (`nonce`).
    IdToken => "id_token", "token_invalid", false;
    /// About a token that is bound to a key (`cnf`), which came without a proof.
    BoundWithoutProof => "bound_without_proof", "token_invalid", false;
    /// `token_type` is `DPoP`, and no key is named.
    ProofTypeWithoutKey => "proof_type_without_key", "token_invalid", false;
    /// An answer of 1 MiB.
    Huge => "huge", "introspection_unavailable", false;
    /// A member that is nested a thousand times.
    Deep => "deep", "introspection_unavailable", false;
    /// The good answer in a list.
    InList => "in_list", "introspection_unavailable", false;
    /// The good answer without its end.
    Truncated => "truncated", "introspection_unavailable", false;
    /// Nothing.
    Empty => "empty", "introspection_unavailable", false;
    /// A page to sign in, with the status 200.
    SignInPage => "sign_in_page", "introspection_unavailable", false;
    /// The good answer with the status 500.
    StatusError => "status_error", "introspection_unavailable", false;
    /// A redirect to the same address of another name.
    Redirect => "redirect", "introspection_unavailable", false;
    /// A good signed answer, for which nobody asked.
    UnexpectedlySigned => "unexpectedly_signed", "introspection_unavailable", false;
    /// The good answer in JSON, without a signature.
    NotSigned => "not_signed", "introspection_unavailable", true;
    /// The good answer in JSON, under the media type of signed ones.
    NotSignedAsSigned => "not_signed_as_signed", "introspection_unavailable", true;
    /// A good signed answer, under the media type of JSON.
    SignedAsJson => "signed_as_json", "introspection_unavailable", true;
    /// `alg: none`, without a signature.
    SignedAlgNone => "signed_alg_none", "introspection_unavailable", true;
    /// HS256 with the issuer's public key as the secret.
    SignedHmac => "signed_hmac", "introspection_unavailable", true;
    /// With the `typ` of access tokens.
    SignedTypAccessToken => "signed_typ_access_token", "introspection_unavailable", true;
    /// No `typ`.
    SignedTypMissing => "signed_typ_missing", "introspection_unavailable", true;
    /// By another key under the same `kid`.
    SignedByAnotherKey => "signed_by_another_key", "introspection_unavailable", true;
    /// The signature of another answer.
    SignedOtherSignature => "signed_other_signature", "introspection_unavailable", true;
    /// `iss` names another issuer.
    SignedAnotherIssuer => "signed_another_issuer", "introspection_unavailable", true;
    /// `aud` names another client: its answer, passed on.
    SignedAnotherAudience => "signed_another_audience", "introspection_unavailable", true;
    /// No `aud`.
    SignedAudienceMissing => "signed_audience_missing", "introspection_unavailable", true;
    /// An hour old: from before the token was revoked.
    SignedOld => "signed_old", "introspection_unavailable", true;
    /// Made in an hour.
    SignedInFuture => "signed_in_future", "introspection_unavailable", true;
    /// No `iat`.
    SignedTimeless => "signed_timeless", "introspection_unavailable", true;
    /// No `token_introspection`; the members are claims of the answer itself.
    SignedMembersOutside => "signed_members_outside", "introspection_unavailable", true;
    /// `token_introspection` is text.
    SignedMembersText => "signed_members_text", "introspection_unavailable", true;
    /// `token_introspection` twice.
    SignedMembersTwice => "signed_members_twice", "introspection_unavailable", true;
    /// Inside a good signed answer, `active` is the text `true`.
    SignedActiveText => "signed_active_text", "token_invalid", true;
    /// Inside a good signed answer, the token is for another service.
    SignedTokenOfAnother => "signed_token_of_another", "token_invalid", true;
}
