//! The table of attacks on requests with bound tokens, with the name and the expected refusal of each.

macro_rules! attacks {
    ($($(#[$doc:meta])* $attack:ident => $name:literal, $code:literal;)*) => {
        /// An attack on a service that takes bound tokens with proofs (DPoP, RFC 9449): a stolen token, or a wrong proof.
        ///
        /// Run all of them against your service in one loop. Each is made from a request that would be accepted:
        ///
        /// ```
        /// use axum::http::Request;
        /// use countersign_test::{ProofAttack, TestIssuer, TestKey};
        ///
        /// let issuer = TestIssuer::new();
        /// let key = TestKey::new(issuer.clock());
        /// let honest = issuer.token().subject("ann").audience("orders");
        /// let proof = key.proof_without_token("GET", "https://api.test/orders");
        /// for attack in ProofAttack::ALL {
        ///     let hostile = proof.hostile(*attack, &honest);
        ///     let request = hostile.on(Request::get("/orders")).body(()).unwrap();
        ///     assert!(request.headers().contains_key("authorization")); // in a test: send it, twice if hostile.is_replay()
        /// }
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ProofAttack {
            $($(#[$doc])* #[doc = concat!("\n\nName: `", $name, "`. Expected code: `", $code, "`.")] $attack,)*
        }

        impl ProofAttack {
            /// All attacks, in the order of the checks.
            pub const ALL: &'static [ProofAttack] = &[$(ProofAttack::$attack,)*];

            /// The stable name: lower-case words joined by `_`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(ProofAttack::$attack => $name,)* }
            }

            /// The code of the problem body, with the status 401, that is right for a service of this project: `token_invalid`, or
            /// `invalid_dpop_proof` (RFC 9449 §7.1).
            #[must_use]
            pub const fn expected_code(self) -> &'static str {
                match self { $(ProofAttack::$attack => $code,)* }
            }
        }
    };
}

attacks! {
    /// A bound token as `Bearer`, without a proof: what a thief has.
    BoundAsBearer => "bound_as_bearer", "token_invalid";
    /// A bound token as `Bearer`, beside a good proof.
    BoundAsBearerWithProof => "bound_as_bearer_with_proof", "token_invalid";
    /// A token that is not bound to a key, with a good proof.
    UnboundWithProof => "unbound_with_proof", "token_invalid";
    /// The scheme `DPoP` without a proof.
    NoProof => "no_proof", "invalid_dpop_proof";
    /// An empty proof.
    EmptyProof => "empty_proof", "invalid_dpop_proof";
    /// Two good proofs in two headers.
    TwoProofs => "two_proofs", "invalid_dpop_proof";
    /// Two good proofs in one header, separated by a comma.
    JoinedProofs => "joined_proofs", "invalid_dpop_proof";
    /// The token itself as the proof.
    TokenAsProof => "token_as_proof", "invalid_dpop_proof";
    /// Longer than 8 KiB.
    OversizeProof => "oversize_proof", "invalid_dpop_proof";
    /// The `typ` of any JWT.
    ProofTypJwt => "proof_typ_jwt", "invalid_dpop_proof";
    /// No `typ`.
    ProofTypMissing => "proof_typ_missing", "invalid_dpop_proof";
    /// `alg: none` without a signature.
    ProofAlgNone => "proof_alg_none", "invalid_dpop_proof";
    /// A shared secret in `jwk` (HS256) to which the token is bound: everybody who sees the proof can make others.
    ProofHmac => "proof_hmac", "invalid_dpop_proof";
    /// An unknown critical extension.
    ProofCrit => "proof_crit", "invalid_dpop_proof";
    /// No `jwk`.
    ProofJwkMissing => "proof_jwk_missing", "invalid_dpop_proof";
    /// A URL for the key (`jku`) and its `kid` instead of `jwk`.
    ProofJku => "proof_jku", "invalid_dpop_proof";
    /// The private key in `jwk` (CVE-2026-54431).
    ProofPrivateKey => "proof_private_key", "invalid_dpop_proof";
    /// An hour old.
    ProofOld => "proof_old", "invalid_dpop_proof";
    /// Made in an hour, for later use.
    ProofInFuture => "proof_in_future", "invalid_dpop_proof";
    /// No `iat`.
    ProofTimeless => "proof_timeless", "invalid_dpop_proof";
    /// No `jti`, so that it could be used again.
    ProofWithoutId => "proof_without_id", "invalid_dpop_proof";
    /// For another method.
    ProofWrongMethod => "proof_wrong_method", "invalid_dpop_proof";
    /// The method in lower case.
    ProofMethodLowerCase => "proof_method_lower_case", "invalid_dpop_proof";
    /// For the same path at another host: made for the attacker's service, and passed on.
    ProofWrongHost => "proof_wrong_host", "invalid_dpop_proof";
    /// For another path of the service.
    ProofWrongPath => "proof_wrong_path", "invalid_dpop_proof";
    /// For the same host on another port.
    ProofWrongPort => "proof_wrong_port", "invalid_dpop_proof";
    /// Only the path as the address.
    ProofRelativeAddress => "proof_relative_address", "invalid_dpop_proof";
    /// For another token of the same key.
    ProofOfAnotherToken => "proof_of_another_token", "invalid_dpop_proof";
    /// No `ath`, as a proof for the token endpoint has none.
    ProofWithoutToken => "proof_without_token", "invalid_dpop_proof";
    /// A good proof by the thief's own key.
    ProofOfAnotherKey => "proof_of_another_key", "token_invalid";
    /// Signed with the thief's key, under the `jwk` of the token's key.
    ProofSignedByAnotherKey => "proof_signed_by_another_key", "invalid_dpop_proof";
    /// A good proof that was used before.
    ProofReplayed => "proof_replayed", "invalid_dpop_proof";
    /// `cnf` is empty; the proof is good.
    ConfirmationEmpty => "confirmation_empty", "token_invalid";
    /// `cnf` names a method that no service checks (`kid`); the proof is good.
    ConfirmationUnknown => "confirmation_unknown", "token_invalid";
    /// `cnf` names a URL (`jku`); the proof is good.
    ConfirmationUrl => "confirmation_url", "token_invalid";
    /// `cnf: null`; the proof is good.
    ConfirmationNull => "confirmation_null", "token_invalid";
    /// `cnf` is text; the proof is good.
    ConfirmationText => "confirmation_text", "token_invalid";
    /// `jkt` in a list; the proof is good.
    ConfirmationList => "confirmation_list", "token_invalid";
}
