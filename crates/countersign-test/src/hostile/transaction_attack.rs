//! The table of attacks with transaction tokens, with the name and the expected refusal of each.

macro_rules! attacks {
    ($($(#[$doc:meta])* $attack:ident => $name:literal, $status:literal $code:literal;)*) => {
        /// An attack on a service that takes transaction tokens (draft-ietf-oauth-transaction-tokens-10): a transaction token that
        /// is malformed or invalid, or used as what it is not.
        ///
        /// Run all of them against your service in one loop. Each is made from a request that would be accepted:
        ///
        /// ```
        /// use axum::http::Request;
        /// use countersign_test::{TestIssuer, TransactionAttack};
        ///
        /// let issuer = TestIssuer::new();
        /// let caller = issuer.token().subject("orders").audience("stock");
        /// let honest = issuer.transaction_token("shop.example", "stock:reserve").subject("ann");
        /// for attack in TransactionAttack::ALL {
        ///     let request = honest.hostile_transaction(*attack, &caller).on(Request::get("/stock")).body(()).unwrap();
        ///     assert!(!request.headers().is_empty()); // in a test: send it, and expect attack.expected()
        /// }
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum TransactionAttack {
            $($(#[$doc])* #[doc = concat!("\n\nName: `", $name, "`. Expected: ", $status, " `", $code, "`.")] $attack,)*
        }

        impl TransactionAttack {
            /// All attacks, in the order of the checks.
            pub const ALL: &'static [TransactionAttack] = &[$(TransactionAttack::$attack,)*];

            /// The stable name: lower-case words joined by `_`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(TransactionAttack::$attack => $name,)* }
            }

            /// The status and the code of the problem body that are right for a service of this project.
            #[must_use]
            pub const fn expected(self) -> (u16, &'static str) {
                match self { $(TransactionAttack::$attack => ($status, $code),)* }
            }
        }
    };
}

attacks! {
    /// The transaction token as `Bearer`, in place of the sender's own token.
    AsBearer => "as_bearer", 401 "token_invalid";
    /// A good transaction token without a token of its sender.
    WithoutCaller => "without_caller", 401 "no_token";
    /// Two headers with the same good token.
    TwoHeaders => "two_headers", 400 "transaction_token_malformed";
    /// Two good tokens in one header, separated by a comma.
    Joined => "joined", 400 "transaction_token_malformed";
    /// An empty header.
    Empty => "empty", 400 "transaction_token_malformed";
    /// `Bearer ` before the token.
    WithScheme => "with_scheme", 400 "transaction_token_malformed";
    /// The sender's own token as the transaction token.
    AccessToken => "access_token", 401 "transaction_token_invalid";
    /// The claims of a good token under the `typ` of access tokens.
    TypedAsAccessToken => "typed_as_access_token", 401 "transaction_token_invalid";
    /// The claims of a good token under the `typ` of any JWT.
    TypedAsJwt => "typed_as_jwt", 401 "transaction_token_invalid";
    /// No `typ`.
    Untyped => "untyped", 401 "transaction_token_invalid";
    /// For another trust domain.
    OtherDomain => "other_domain", 401 "transaction_token_invalid";
    /// For this trust domain and another one.
    TwoDomains => "two_domains", 401 "transaction_token_invalid";
    /// For no trust domain.
    NoDomain => "no_domain", 401 "transaction_token_invalid";
    /// No `txn`.
    NoTransaction => "no_transaction", 401 "transaction_token_invalid";
    /// A `txn` that begins another line of a log.
    TransactionWithLine => "transaction_with_line", 401 "transaction_token_invalid";
    /// No `sub`.
    NoSubject => "no_subject", 401 "transaction_token_invalid";
    /// No `scope`: for any purpose.
    NoScope => "no_scope", 401 "transaction_token_invalid";
    /// No `req_wl`.
    NoWorkload => "no_workload", 401 "transaction_token_invalid";
    /// No `iat`, so that its lifetime is unknown.
    NoIssueTime => "no_issue_time", 401 "transaction_token_invalid";
    /// No `exp`.
    NoExpiry => "no_expiry", 401 "transaction_token_invalid";
    /// Expired an hour ago.
    Expired => "expired", 401 "transaction_token_expired";
    /// Valid for a day.
    LongLived => "long_lived", 401 "transaction_token_invalid";
    /// `tctx` is a text.
    ContextText => "context_text", 401 "transaction_token_invalid";
    /// Other claims than those that were signed.
    Changed => "changed", 401 "transaction_token_invalid";
    /// Signed with the attacker's key, under the `kid` of the service.
    OtherKey => "other_key", 401 "transaction_token_invalid";
}
