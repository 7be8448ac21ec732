//! Where keys come from: OIDC discovery, JWKS addresses, files, a Kubernetes cluster, several of them, resolved issuers; how they are kept fresh, and
//! how that fares.

mod configured;
mod failover;
mod file;
mod health;
mod kept;
mod kubernetes;
mod place;
mod preset;
mod remote;
mod resolved;
mod snapshot;

pub use crate::refresh::RefreshPolicy;
pub use configured::of_policy;
pub use failover::FailoverKeys;
pub use file::FileKeys;
pub use health::{Health, NotReady};
pub use kubernetes::KubernetesKeys;
pub use preset::{Preset, PresetIssuer};
pub use remote::{RemoteKeys, jwks, oidc};
pub use resolved::{ResolvePolicy, ResolvedIssuers};
pub use snapshot::KeySnapshot;
