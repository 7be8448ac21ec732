//! Keycloak, set up as `docs/guides/keycloak.md` says.

mod calls;
mod rotation;
mod server;
mod tokens;

use server::{GUIDE_ISSUER, Keycloak};

use crate::guide::Guide;

fn guide() -> Guide {
    Guide::read("keycloak")
}

/// The server that all tests share, which takes half a minute to start.
async fn keycloak() -> &'static Keycloak {
    static SERVER: tokio::sync::OnceCell<Keycloak> = tokio::sync::OnceCell::const_new();
    let start = async || {
        let server = Keycloak::start().await;
        server.set_up(&guide()).await;
        server
    };
    SERVER.get_or_init(start).await
}

/// A verifier with the policy of the guide.
fn verifier(server: &Keycloak) -> countersign::verify::Verifier {
    crate::service::verifier(guide().file("policy.toml"), GUIDE_ISSUER, &server.issuer("shop"))
}
