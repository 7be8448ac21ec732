//! The settings of connections to issuers and token services, and the reasons why a connection fails.
//!
//! ```
//! use std::sync::Arc;
//! use countersign::connection::ConnectionSettings;
//! use countersign::keys::RemoteKeys;
//! use countersign::policy::NeedsAudience;
//!
//! let settings = ConnectionSettings::new().add_roots_file("/etc/company/ca.pem");
//! let keys = RemoteKeys::from_issuer("https://id.internal").connection(settings);
//! let issuer = NeedsAudience::new("https://id.internal", Arc::new(keys)).audience("orders");
//! # let _ = issuer;
//! ```

pub use crate::fetch::ConnectionSettings;
