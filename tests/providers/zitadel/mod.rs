//! Zitadel's OpenID Connect library, as the server of `tests/peers/zitadel` uses it.

mod calls;
mod login;
mod outage;
mod rotation;
mod server;
mod tokens;

use countersign::prelude::*;
use server::Zitadel;
use tokio::sync::{OnceCell, RwLock, RwLockReadGuard};

/// The server that all tests share.
async fn shared() -> &'static RwLock<Zitadel> {
    static SERVER: OnceCell<RwLock<Zitadel>> = OnceCell::const_new();
    SERVER.get_or_init(async || RwLock::new(Zitadel::start().await)).await
}

/// The server, while nobody harms it.
async fn zitadel() -> RwLockReadGuard<'static, Zitadel> {
    shared().await.read().await
}

/// What a service needs to know of the server. An ID token has no `jti`.
pub const POLICY: &str = r#"
    [[issuers]]
    issuer = "https://id.example.com"
    audience = "orders"
    required_claims = ["client_id", "jti"]
    authorities.roles_at = ["/roles"]
"#;

fn verifier(server: &Zitadel) -> Verifier {
    crate::service::verifier(POLICY, "https://id.example.com", server.issuer())
}
