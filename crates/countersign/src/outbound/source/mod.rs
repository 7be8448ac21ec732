//! Sources of tokens.

mod assertion;
mod bound;
mod cached;
mod callers;
mod cell;
mod client_credentials;
mod context;
mod credential;
mod dpop_key;
mod exchange;
mod exchanges;
mod file_token;
mod forwarded_token;
mod key_file;
#[cfg(test)]
mod many_callers;
mod party;
mod refusal;
mod response;
mod secret_source;
mod self_signed_token;
mod shares;
mod static_token;
mod text_file;
mod token;
mod token_client;
mod token_endpoint;
mod token_policy;
mod token_source;

pub use assertion::Assertion;
pub use cached::TokenStats;
pub(super) use cached::{CALLER_CACHE_BYTES, CachedTokens, attach_source};
pub use client_credentials::ClientCredentials;
pub use context::OutboundContext;
pub use dpop_key::DpopKey;
pub use file_token::FileToken;
pub use forwarded_token::ForwardedToken;
pub use secret_source::SecretSource;
pub use self_signed_token::SelfSignedToken;
pub use static_token::StaticToken;
pub use token::OutboundToken;
pub use token_source::{TokenFuture, TokenRequest, TokenSource};
