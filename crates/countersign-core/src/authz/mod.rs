//! Is it enough: authorities read from claims, and requirements judged over them.

mod authorities;
mod decision;
mod grants;
mod hierarchy;
mod names;
mod requirement;

pub use authorities::Authorities;
pub use decision::{Decision, Denial};
pub use grants::Grants;
pub(crate) use hierarchy::Hierarchy;
pub use names::Names;
pub use requirement::{
    Facts, Requirement, acr, actor, any_of, at_least, authenticated_within, client, issued_by, permission, role, scope,
    subject, tenant_in_path,
};
