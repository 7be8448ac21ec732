//! Audit events: one for each decision about a request, for a file of JSON lines, for `tracing`, or for a sink of your own.
//!
//! An [`AuditLog`] is given to the layer. Each request that the layer, a guard or an extractor behind it refuses then leaves
//! one [`AuditEvent`], and each that they allow too if [`allowed`](AuditLog::allowed) is set. The event is made when the
//! response is there, so that it has the status; what it says is the decision, and not how the handler fared after it.
//!
//! ```
//! use std::time::Duration;
//! use countersign::audit::{AuditLog, AuditWriter};
//! use countersign::prelude::*;
//! use countersign::{pseudonym::Pseudonyms, secret::Secret};
//!
//! # fn example(verifier: Verifier, key: &Secret<Vec<u8>>) -> Result<(), Box<dyn std::error::Error>> {
//! let writer = AuditWriter::with_file("/var/log/orders/audit.jsonl")?;
//! let layer = AuthenticateLayer::builder(verifier)
//!     .log_subjects(Pseudonyms::new(key)?) // else events have no subject
//!     .audit(AuditLog::new("orders", writer.clone()).client_id("orders").allowed())
//!     .build()?;
//! // serve, until the service is to end; then:
//! writer.flush(Duration::from_secs(5));
//! # let _ = layer;
//! # Ok(())
//! # }
//! ```
//!
//! # Which decision an event has
//!
//! - The outermost layer with an audit log writes the event of a request. Layers, guards and extractors behind it only add what
//!   they decide; give all layers of a service the same log.
//! - A refusal by a layer or a guard is final.
//! - A refusal by an extractor or by a check in a handler counts unless the handler answers with success nevertheless.
//! - A guard of a [hidden](crate::authz::Requirement::hidden) route of [`app::protect`](crate::app::protect) hands the request
//!   back: its denial counts unless another route answers with success.
//! - A requirement in shadow mode refuses nobody: the event of an allowed request names it in `would_deny`.
//! - An anonymous caller of a public or optional path is allowed, and has an event only with
//!   [`anonymous`](AuditLog::anonymous).
//! - CORS preflights and the metadata of the resource have none: they are answered to everybody.
//! - A guard without a layer before it has no log to write to; its 500 is in the log of the service.
//! - A request whose client leaves while it waits for keys has none: nothing was decided.
//! - A check that denies after the response began, as in a WebSocket, makes an event of its own, without a status.

mod actors;
pub mod danger;
mod event;
mod events;
mod log;
mod message;
mod outcome;
mod route;
mod sink;
mod time;
mod trail;
mod writer;

pub use event::{AuditActor, AuditCaller, AuditEvent};
pub use events::AuditEvents;
pub use log::AuditLog;
pub(crate) use log::Auditor;
pub use outcome::AuditOutcome;
pub use route::RoutePattern;
pub use sink::AuditSink;
pub(crate) use trail::{Trail, TrailOwner, Weight};
#[allow(unused_imports, reason = "the verification of transaction tokens makes it")]
pub use writer::AuditWriter;

#[cfg(test)]
mod tests;
