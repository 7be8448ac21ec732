//! Is it enough: authorities read from claims, and requirements judged over them.

mod authorities;
mod decision;
mod demand;
mod grants;
mod hierarchy;
mod names;
#[cfg(test)]
mod properties;
mod requirement;

pub use authorities::Authorities;
pub use decision::{Decision, Denial};
pub use demand::Demand;
pub use grants::Grants;
pub(crate) use hierarchy::Hierarchy;
pub use names::Names;
pub use requirement::{
    Facts, NoRequest, RequestContext, RequestFacts, Requirement, ShadowStats, acr, actor, all_of, amr,
    any_authenticated, any_of, at_least, authenticated_within, claim, claims_where, client, group, issued_by, owner,
    permission, role, scope, subject, tenant_in_header, tenant_in_host, tenant_in_path,
};
