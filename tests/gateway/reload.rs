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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s9_11_the_audit_log_of_a_gateway_has_each_decision() {
    let issuer = TestIssuer::with_system_clock();
    let folder = std::env::temp_dir().join(format!("cs-gateway-audit-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("pseudonyms.key"), [b'k'; 32]).expect("a file");
    let keys = issuer.jwks();
    let text = format!(
        "edge = \"nginx\"\nlisten = \"127.0.0.1:9001\"\n\
         [audit]\nservice = \"edge\"\nfile = \"audit.jsonl\"\nallowed = true\npseudonym_key_file = \"pseudonyms.key\"\n\
         [[route]]\nmethod = \"GET\"\npath = \"/orders/{{id}}\"\naccess = \"required\"\nrule = {{ scope = \"orders:read\" }}\n\
         [[policy.issuers]]\nissuer = {:?}\naudience = \"orders\"\nkeys = {{ inline = '{keys}' }}\n",
        issuer.name()
    );
    let path = folder.join("gateway.toml");
    std::fs::write(&path, text).expect("a file");
    let watched = WatchedGateway::from_file(&path).expect("a gateway");
    for scope in ["orders:read", "orders:write"] {
        let token = issuer.token().audience("orders").subject("ann").scope(scope).sign();
        let mut headers = HeaderMap::new();
        headers.insert("authorization", format!("Bearer {token}").parse().expect("a value"));
        let request = ClientRequest::new(Method::GET, "shop.example.com", "/orders/7", headers);
        let is_allowed = watched.gateway().decide(request, ForeignHeaders::Refuse).await.is_allowed();
        assert_eq!(is_allowed, scope == "orders:read");
    }
    drop(watched); // the last handle of the writer writes what is left
    let lines = std::fs::read_to_string(folder.join("audit.jsonl")).expect("the file");
    let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let found: Vec<_> =
        lines.iter().map(|line| ["service", "outcome", "route"].map(|name| line[name].as_str())).collect();
    let line = |outcome| [Some("edge"), Some(outcome), Some("/orders/{id}")];
    assert_eq!(found, [line("allowed"), line("denied")]);
    assert!(lines.iter().all(|line| line["subject"].as_str().is_some_and(|subject| subject.len() == 16)), "pseudonyms");
    std::fs::remove_dir_all(&folder).expect("removed");
}
