//! Spring Authorization Server, set up as `docs/guides/spring-authorization-server.md` says.

mod calls;
mod login;
mod outage;
mod rotation;
mod server;
mod tokens;

use countersign_tests::peers;
use server::{AuthorizationServer, GUIDE_ISSUER};
use tokio::sync::{OnceCell, RwLock, RwLockReadGuard};

use crate::guide::Guide;

fn guide() -> Guide {
    Guide::read("spring-authorization-server")
}

/// The server that all tests share.
async fn shared() -> &'static RwLock<AuthorizationServer> {
    static SERVER: OnceCell<RwLock<AuthorizationServer>> = OnceCell::const_new();
    SERVER.get_or_init(async || RwLock::new(AuthorizationServer::start().await)).await
}

/// The server, while nobody harms it.
async fn server() -> RwLockReadGuard<'static, AuthorizationServer> {
    shared().await.read().await
}

/// A verifier with the policy of the guide.
fn verifier(server: &AuthorizationServer) -> countersign::verify::Verifier {
    crate::service::verifier(guide().file("policy.toml"), GUIDE_ISSUER, server.issuer())
}

#[test]
fn the_guide_of_springs_authorization_server_shows_the_server_that_runs() {
    let guide = guide();
    for (name, path) in
        [("Id.java", "src/main/java/id/Id.java"), ("application.yaml", "src/main/resources/application.yaml")]
    {
        let file = std::fs::read_to_string(peers::folder().join("spring_authorization").join(path)).expect("a file");
        assert_eq!(guide.file(name), file, "{name}");
    }
}
