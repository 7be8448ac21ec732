//! Key sources: OIDC discovery, JWKS addresses, files, a Kubernetes cluster, and failover between sources.

mod attachments;
mod cached_keys;
mod config;
mod failover;
mod fetch_limit;
mod file;
mod http_location;
mod kubernetes;
mod location;
mod refreshing;
mod remote;
mod snapshot;

pub use crate::refresh::RefreshPolicy;
pub use config::from_config;
pub use failover::FailoverKeys;
pub use file::FileKeys;
pub use kubernetes::KubernetesKeys;
pub use remote::RemoteKeys;
pub use snapshot::KeySnapshot;
