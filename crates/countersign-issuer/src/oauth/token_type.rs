//! The type of a token: how it is sent.

/// The `token_type` of a token that is no access token (RFC 8693 §2.2.1).
pub(crate) const NOT_APPLICABLE: &str = "N_A";

/// The `token_type` of a token that is bound to a key (RFC 9449 §5), or of one that is not (RFC 6750 §4).
pub(crate) const fn token_type(is_bound_to_key: bool) -> &'static str {
    if is_bound_to_key { "DPoP" } else { "Bearer" }
}
