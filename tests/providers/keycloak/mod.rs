//! Keycloak, set up as `docs/guides/keycloak.md` says.

mod calls;
mod certificate;
mod certificate_bound;
mod database;
mod dpop;
mod federation;
mod introspection;
mod mcp;
mod outage;
mod rotation;
mod server;
mod tokens;

use server::{GUIDE_ISSUER, Keycloak};
use tokio::sync::{OnceCell, RwLock, RwLockReadGuard};

use crate::guide::Guide;

fn guide() -> Guide {
    Guide::read("keycloak")
}

/// The server that all tests share, which takes half a minute to start.
async fn shared() -> &'static RwLock<Keycloak> {
    static SERVER: OnceCell<RwLock<Keycloak>> = OnceCell::const_new();
    let start = async || {
        let server = Keycloak::start(&guide()).await;
        server.set_up(&guide()).await;
        RwLock::new(server)
    };
    SERVER.get_or_init(start).await
}

/// The server, while nobody harms it.
async fn keycloak() -> RwLockReadGuard<'static, Keycloak> {
    shared().await.read().await
}

/// A verifier with the policy of the guide.
fn verifier(server: &Keycloak) -> countersign::verify::Verifier {
    crate::service::verifier(guide().file("policy.toml"), GUIDE_ISSUER, &server.issuer("shop"))
}
