//! The reports of many services: kept in memory, compared, and shown on a page.

mod access;
mod assess;
mod page;
mod router;
mod store;

pub(crate) use access::{Access, refusal};
pub(crate) use assess::{Finding, Group, Instance, Reference, assess};
pub(crate) use router::router;
pub(crate) use store::Store;
