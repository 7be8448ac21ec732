//! A gateway that follows its file.

use axum::http::{HeaderMap, Method};
use countersign_gateway::{ClientRequest, EdgeDecision, ForeignHeaders, WatchedGateway};
use countersign_test::TestIssuer;

use crate::world::guide;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s15_02_routes_are_replaced_at_once_and_a_faulty_file_leaves_the_last_good_ones_in_force() {
    let issuer = TestIssuer::with_system_clock();
    let folder = std::env::temp_dir().join(format!("cs-gateway-reload-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let keys = issuer.jwks();
    let policy =
        format!("[[issuers]]\nissuer = {:?}\naudience = \"orders\"\nkeys = {{ inline = '{keys}' }}\n", issuer.name());
    std::fs::write(folder.join("policy.toml"), policy).expect("a file");
    let path = folder.join("gateway.toml");
    let good = guide().file("gateway.toml").to_owned();
    let write = |text: &str| std::fs::write(&path, text).expect("a file");
    write(&good);
    let watched = WatchedGateway::from_file(&path).expect("a gateway");
    let status = async |target: &str| {
        let request = ClientRequest::new(Method::GET, "shop.example.com", target, HeaderMap::new());
        match watched.gateway().decide(request, ForeignHeaders::Refuse).await {
            EdgeDecision::Allowed(_) => 200,
            EdgeDecision::Refused(response) => response.status().as_u16(),
            _ => panic!("a decision of a new kind"),
        }
    };
    assert_eq!((status("/health").await, status("/live").await, status("/orders").await), (200, 401, 401));
    assert_eq!(watched.reload().await, Ok(false), "nothing changed");

    write(&good.replace("path = \"/health\"", "path = \"/live\""));
    assert_eq!(watched.reload().await, Ok(true));
    assert_eq!((status("/health").await, status("/live").await, status("/orders").await), (401, 200, 401));

    for (from, to, field) in [
        ("access = \"public\"", "access = \"open\"", "routes[2]"),
        ("access = \"public\"", "access = \"public\"\nrules = 1", "routes[2]"),
        ("edge = \"nginx\"", "edge = \"caddy\"", "edge: changed, which needs a restart"),
        ("listen = \"127.0.0.1:9001\"", "listen = \"127.0.0.1:9003\"", "listen: changed"),
        ("policy_file = \"policy.toml\"", "policy_file = \"other.toml\"", "policy_file: changed"),
        ("x-caller = \"subject\"", "host = \"subject\"", "identity host"),
        ("edge = ", "edg = ", "gateway: "),
    ] {
        assert!(good.contains(from), "{from}");
        write(&good.replacen(from, to, 1));
        let error = watched.reload().await.expect_err(to).to_string();
        assert!(error.contains(field), "{to}: {error}");
        assert_eq!(watched.error().map(|error| error.to_string()), Some(error));
        assert_eq!((status("/health").await, status("/live").await), (401, 200), "{to}: the last good rules");
    }
    std::fs::remove_file(&path).expect("removed");
    assert!(watched.reload().await.expect_err("gone").to_string().contains("not readable"));
    write(&good);
    assert_eq!(watched.reload().await, Ok(true));
    assert_eq!((status("/health").await, watched.error()), (200, None));
    std::fs::remove_dir_all(&folder).expect("removed");
}
