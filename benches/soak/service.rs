//! The service under test, with keys by discovery and a list of revoked tokens.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use countersign::authenticate::AuthenticateLayer;
use countersign::issuers::oidc;
use countersign::revocation::RevocationList;
use countersign_core::verify::Verifier;
use tokio::net::TcpListener;

use crate::Result;
use crate::clock::SteppedClock;
use crate::provider::AUDIENCE;

pub(crate) struct Service {
    pub(crate) url: String,
    pub(crate) revoked: Arc<RevocationList>,
}

impl Service {
    pub(crate) async fn start(issuer: &str, clock: SteppedClock) -> Result<Self> {
        let verifier = Verifier::builder().trust(oidc(issuer).audience(AUDIENCE)).clock(Arc::new(clock)).build()?;
        let revoked = Arc::new(RevocationList::new());
        let layer = AuthenticateLayer::builder(verifier).revocation(Arc::clone(&revoked)).build()?;
        let app = Router::new().route("/", get(|| async { "ok" })).layer(layer);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/", listener.local_addr()?);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Service { url, revoked })
    }
}
