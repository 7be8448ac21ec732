//! Sources of tokens.

mod bound;
mod cached;
mod callers;
mod cell;
mod client_credentials;
mod context;
mod dpop_key;
mod exchange;
mod exchanges;
mod file_token;
mod forwarded_token;
#[cfg(test)]
mod many_callers;
mod party;
mod refusal;
mod response;
mod self_signed_token;
mod shares;
mod static_token;
mod token;
mod token_client;
mod token_policy;
mod token_source;
#[cfg(feature = "txn")]
mod transaction_request;

pub use cached::TokenStats;
pub(super) use cached::{CALLER_CACHE_BYTES, CachedTokens, attach_source};
pub use client_credentials::ClientCredentials;
pub use context::OutboundContext;
pub use dpop_key::DpopKey;
#[cfg(feature = "txn")]
pub(super) use exchange::TransactionForm;
pub use file_token::FileToken;
pub use forwarded_token::ForwardedToken;
pub use self_signed_token::SelfSignedToken;
pub use static_token::StaticToken;
pub use token::OutboundToken;
pub use token_source::{TokenFuture, TokenRequest, TokenSource};
#[cfg(feature = "txn")]
pub(super) use transaction_request::TransactionRequests;
