//! Identity assertions of another library, presented by a client of another one.

use std::sync::Arc;

use countersign_core::key::{Algorithm, KeySet, StaticKeys};
use countersign_core::mint::Signer;
use countersign_core::policy::NeedsAudience;
use countersign_issuer::IdentityProvider;
use countersign_tests::peers;
use serde_json::json;

use crate::assertions::{MCP, credential, servers};
use crate::peers::private_jwk;
use crate::service::Service;

const PROVIDER: &str = "https://id.test";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_node), ignore = "needs Node.js: tests/peers/install")]
async fn s12_11_an_assertion_of_jose_is_granted_to_oauth4webapi() {
    let command = peers::node("identity_assertion.mjs");
    let signer = Signer::generate(Algorithm::ES256).expect("a key");
    let jwks = json!({ "keys": [signer.public_jwk()] }).to_string();
    let service = Service::with(|builder| {
        let keys = StaticKeys::from_set(KeySet::from_jwks(jwks.as_bytes()).expect("keys"));
        // The name is that of a free port, which the builder does not tell: the issuer replaces the audience.
        let trusted = NeedsAudience::new(PROVIDER, Arc::new(keys)).audience("https://else.test");
        servers(builder).add_identity_provider(IdentityProvider::new(trusted, "staff:"))
    })
    .await;
    let given = json!({
        "issuer": service.issuer.name(),
        "provider": PROVIDER,
        "secret": credential().0,
        "private_jwk": private_jwk(&signer),
        "resource": MCP,
    });
    let seen = tokio::task::spawn_blocking(move || peers::answer(command, &given)).await.expect("no panic");
    assert_eq!(seen["profiles"], json!(["urn:ietf:params:oauth:grant-profile:id-jag"]));
    assert_eq!((&seen["scope"], &seen["resource"]), (&json!("tools:read"), &json!(MCP)));
    assert_eq!(
        (&seen["payload"]["sub"], &seen["payload"]["client_id"]),
        (&json!("staff:ann"), &json!("agent")),
        "{seen}"
    );
    assert_eq!(seen["bound"], "dpop", "oauth4webapi writes it in lower case");
    assert_eq!(seen["refused"], json!(["invalid_grant", "invalid_grant", "invalid_grant", "invalid_target"]));
}
