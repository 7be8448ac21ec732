//! Reports of what each instance of many services has in force, for those who operate them.
//!
//! A [`FleetMember`] is this process as an instance of a service. It makes a [`FleetReport`]: the policy in force, the state of the
//! keys, weakened checks, and why the last document was refused. [`FleetReporter`] sends the report to `countersign plane`, and
//! [`FleetMember::route`] serves it to `countersign fleet status`. Nothing in a report is secret, but it tells which checks are
//! weakened: send and serve it only to those who may know.
//!
//! ```no_run
//! use axum::Router;
//! use countersign::fleet::{FleetMember, FleetReporter};
//! use countersign::outbound::{ClientCredentials, Outbound};
//! use countersign::prelude::*;
//! use countersign::reload::BundledPolicy;
//!
//! # fn example(policy: &BundledPolicy, credentials: ClientCredentials) -> Result<(), countersign::error::ConfigError> {
//! let member = FleetMember::new("orders", policy).version(env!("CARGO_PKG_VERSION"));
//! let outbound = Outbound::builder(Default::default()).bind("https://plane.internal", credentials).build()?;
//! let reporter = FleetReporter::builder(member.clone(), "https://plane.internal").outbound(outbound).build()?;
//! let app: Router = Router::new()
//!     .route("/fleet", member.route().layer(require(scope("fleet:read"))))
//!     .layer(AuthenticateLayer::new(policy.verifier().clone()));
//! # let _ = (app, reporter);
//! # Ok(())
//! # }
//! ```

mod form;
mod member;
#[cfg(not(feature = "axum"))]
mod no_route;
mod observed;
mod report;
mod reporter;
#[cfg(feature = "axum")]
mod route;
mod send;

pub use form::{MAX_REPORT_BYTES, REPORTS_PATH, ReportAnswer};
pub use member::{FleetMember, ReportedPolicy};
pub use report::{FleetReport, ReportedIssuer, ReportedKeys, ReportedRefusal, ReportedRevocations};
pub use reporter::{FleetReporter, FleetReporterBuilder};
