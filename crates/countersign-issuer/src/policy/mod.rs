//! What may be asked of the issuer: targets with their scopes, and who may act for whom.

mod audience;
mod exchange;
mod federation;
mod scope;

pub use audience::Audience;
pub use exchange::ExchangeRule;
pub use federation::Federation;
pub(crate) use scope::{ScopeSet, is_scope};
