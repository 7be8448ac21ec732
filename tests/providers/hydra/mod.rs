//! Ory Hydra, set up as `docs/guides/hydra.md` says.

mod calls;
mod federation;
pub mod login;
mod opaque;
mod outage;
mod rotation;
pub mod server;
mod tokens;

use server::{GUIDE_ISSUER, Hydra};
use tokio::sync::{OnceCell, RwLock, RwLockReadGuard};

use crate::guide::Guide;

fn guide() -> Guide {
    Guide::read("hydra")
}

/// The server that all tests share.
async fn shared() -> &'static RwLock<Hydra> {
    static SERVER: OnceCell<RwLock<Hydra>> = OnceCell::const_new();
    SERVER.get_or_init(async || RwLock::new(Hydra::start(&guide()).await)).await
}

/// The server, while nobody harms it.
pub async fn hydra() -> RwLockReadGuard<'static, Hydra> {
    shared().await.read().await
}

/// A verifier with the policy of the guide.
pub fn verifier(server: &Hydra) -> countersign::verify::Verifier {
    crate::service::verifier(guide().file("policy.toml"), GUIDE_ISSUER, server.issuer())
}
