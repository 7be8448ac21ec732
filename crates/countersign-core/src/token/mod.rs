//! Parsing of tokens: from bytes to [`Unverified`], of which nothing is trusted yet.

mod base64url;
mod compact;
mod confirmation;
mod credential_kind;
mod decimal;
mod elsewhere;
mod header;
mod json;
mod json_text;
mod kind;
mod lookup;
mod payload;
mod proof;
pub(crate) mod registered;
mod strings;
mod text;
mod unique;
mod unverified;
#[cfg(test)]
mod vectors;

pub use base64url::decode as decode_base64url;
pub(crate) use base64url::{decode_into as decode_base64url_into, encode as encode_base64url};
pub(crate) use compact::Compact;
pub(crate) use confirmation::Confirmation;
pub use credential_kind::CredentialKind;
pub(crate) use header::{Header, TokenType};
pub use json::has_unique_names;
pub(crate) use json::{MAX_CLAIMS_DEPTH, NotJson, Number, Reader as JsonReader, parse_for_display};
pub(crate) use kind::{TokenKind, TokenKinds, names_access_token};
pub(crate) use lookup::find;
pub(crate) use payload::Payload;
pub(crate) use proof::{ProofClaims, ProofHeader};
pub(crate) use registered::RegisteredClaim;
pub(crate) use strings::{StringClaim, Strings};
pub(crate) use text::{ListClaim, Text};
pub(crate) use unique::Unique;
pub use unverified::Unverified;

/// The longest token read by default, in bytes.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// The longest header read, in bytes after decoding.
pub(crate) const MAX_HEADER_BYTES: usize = 4 * 1024;

/// The longest signature of any algorithm here (ML-DSA-87), in bytes after decoding.
pub(crate) const MAX_SIGNATURE_BYTES: usize = 4627;

/// The longest `kid` looked up, in bytes.
pub(crate) const MAX_KEY_ID_BYTES: usize = 256;
