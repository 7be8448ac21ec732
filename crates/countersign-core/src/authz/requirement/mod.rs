//! A rule as a value: built once, combined, printed, tested without HTTP.

mod build;
mod facts;
mod judge;
mod place;
mod rule;
mod shadow;
mod verdict;
mod words;

#[cfg(test)]
mod tests;

pub use build::{
    acr, actor, all_of, amr, any_authenticated, any_of, at_least, authenticated_within, claim, claims_where, client,
    group, issued_by, owner, permission, role, scope, subject, tenant_in_header, tenant_in_host, tenant_in_path,
};
pub use facts::{Facts, NoRequest, RequestContext, RequestFacts};
pub use rule::Requirement;
pub use shadow::ShadowStats;
