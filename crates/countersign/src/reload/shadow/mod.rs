//! The next policy, evaluated beside the one in force.

mod report;
mod settings;
mod watch;

pub use report::ShadowReport;
pub use settings::ShadowPolicy;
pub(super) use watch::{Next, ShadowWatch};
