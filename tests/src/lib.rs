//! Helpers that the integration tests share.

pub mod authority;
pub mod cost;
pub mod events;
pub mod grpc;
pub mod guide;
pub mod http;
pub mod log;
#[path = "../parts.rs"]
pub mod parts;
pub mod peers;
pub mod ports;
pub mod process;
pub mod proofs;
pub mod proxy;
pub mod redis;
pub mod sentinel;

/// How often a test repeats what it does: `in_ci` times in CI, less often where somebody waits for it.
#[must_use]
pub fn repeats(elsewhere: usize, in_ci: usize) -> usize {
    if std::env::var_os("CI").is_some() { in_ci } else { elsewhere }
}

/// Every code block of the README compiles, and runs where it needs no network.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// The code blocks of the guides, like those of the README.
#[cfg(doctest)]
#[doc = include_str!("../../docs/guides/getting-started.md")]
#[doc = include_str!("../../docs/guides/recipes.md")]
#[doc = include_str!("../../docs/guides/layers.md")]
#[doc = include_str!("../../docs/guides/policy.md")]
#[doc = include_str!("../../docs/guides/bundles.md")]
#[doc = include_str!("../../docs/guides/fleet.md")]
#[doc = include_str!("../../docs/guides/calls.md")]
#[doc = include_str!("../../docs/guides/grpc.md")]
#[doc = include_str!("../../docs/guides/connections.md")]
#[doc = include_str!("../../docs/guides/gateway.md")]
#[doc = include_str!("../../docs/guides/proxies.md")]
#[doc = include_str!("../../docs/guides/bound-tokens.md")]
#[doc = include_str!("../../docs/guides/opaque-tokens.md")]
#[doc = include_str!("../../docs/guides/transaction-tokens.md")]
#[doc = include_str!("../../docs/guides/identity-assertions.md")]
#[doc = include_str!("../../docs/guides/api-keys.md")]
#[doc = include_str!("../../docs/guides/mcp.md")]
#[doc = include_str!("../../docs/guides/mcp-clients.md")]
#[doc = include_str!("../../docs/guides/revocation.md")]
#[doc = include_str!("../../docs/guides/queues.md")]
#[doc = include_str!("../../docs/guides/audit.md")]
#[doc = include_str!("../../docs/guides/testing.md")]
#[doc = include_str!("../../docs/guides/keycloak.md")]
#[doc = include_str!("../../docs/guides/hydra.md")]
#[doc = include_str!("../../docs/guides/auth0.md")]
#[doc = include_str!("../../docs/guides/okta.md")]
#[doc = include_str!("../../docs/guides/entra.md")]
#[doc = include_str!("../../docs/guides/cognito.md")]
#[doc = include_str!("../../docs/guides/google.md")]
#[doc = include_str!("../../docs/guides/github-actions.md")]
#[doc = include_str!("../../docs/guides/spring-authorization-server.md")]
#[doc = include_str!("../../docs/guides/spire.md")]
#[doc = include_str!("../../docs/guides/kubernetes.md")]
#[doc = include_str!("../../docs/guides/from-jwt-authorizer.md")]
#[doc = include_str!("../../docs/guides/from-jsonwebtoken.md")]
#[doc = include_str!("../../docs/guides/from-spring-security.md")]
#[doc = include_str!("../../docs/guides/drills.md")]
#[doc = include_str!("../../docs/guides/fips.md")]
#[doc = include_str!("../../docs/telemetry.md")]
struct Guides;

/// The code blocks of the pages that crates.io shows.
#[cfg(doctest)]
#[doc = include_str!("../../crates/countersign/README.md")]
#[doc = include_str!("../../crates/countersign-apikey/README.md")]
#[doc = include_str!("../../crates/countersign-core/README.md")]
#[doc = include_str!("../../crates/countersign-gateway/README.md")]
#[doc = include_str!("../../crates/countersign-issuer/README.md")]
#[doc = include_str!("../../crates/countersign-redis/README.md")]
#[doc = include_str!("../../crates/countersign-test/README.md")]
struct Packages;
