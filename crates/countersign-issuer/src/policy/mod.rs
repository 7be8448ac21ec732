//! The rules of an issuer: audiences and their scopes, grants, token exchange, federation.

mod audience;
mod claims;
mod exchange;
mod federation;
mod grant;
mod lifetime;
mod scope;

pub use audience::Audience;
pub(crate) use claims::{CLIENT_SUBJECT_CLAIM, TENANT_CLAIM};
pub use exchange::ExchangeRule;
pub use federation::Federation;
pub use grant::Grant;
pub(crate) use lifetime::{MAX_TOKEN_LIFETIME, lifetime_fault};
pub(crate) use scope::{ScopeSet, is_scope};
