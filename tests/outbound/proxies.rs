//! Calls with proxies, and with files of connection settings that change.

use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign::outbound::{Outbound, OutboundError};
use countersign::policy::Policy;

use crate::servers::{Server, granted, json};

/// A file that is removed at the end.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("countersign-proxies-{}-{name}", std::process::id()));
        std::fs::write(&path, text).expect("written");
        File(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A client with the token in `token`, for this origin and connection.
fn client(origin: &str, token: &Path, rest: &str) -> Outbound {
    let token = token.display();
    let policy = format!(
        "[[issuers]]\nissuer = \"https://id.test\"\naudience = \"orders\"\n\
         [[outbound]]\norigin = \"{origin}\"\ntoken_file = \"{token}\"\n{rest}"
    );
    Outbound::from_config(&Policy::from_toml(&policy).expect("a policy")).expect("bound")
}

async fn call(outbound: &Outbound, url: &str) -> Result<u16, OutboundError> {
    Ok(outbound.send(outbound.client().get(url)).await?.status().as_u16())
}

#[tokio::test]
async fn s7_06_a_proxy_of_the_policy_sees_no_token_of_a_loopback_origin() {
    let proxy = Server::start(|_, _| json(502, String::new())).await;
    let service = Server::start(|_, _| json(200, "{}".into())).await;
    let token = File::new("policy", "s3cret-value");
    let connection = format!("[connection]\nproxy = \"{}\"\n", proxy.url);
    let port = service.port();
    for host in ["127.0.0.1", "localhost"] {
        let origin = format!("http://{host}:{port}");
        let outbound = client(&origin, &token.0, &connection);
        assert_eq!(call(&outbound, &origin).await.expect("called"), 200, "{host}");
        // Nor a request that the wrapped client sends itself.
        assert_eq!(outbound.client().get(&origin).send().await.expect("called").status(), 200, "{host}");
    }
    assert_eq!((proxy.count(), service.count()), (0, 4));
    assert_eq!(service.seen()[0].header("authorization"), Some("Bearer s3cret-value"));
    // It is used for other hosts.
    let outbound = client("http://billing.test", &token.0, &format!("danger_plain_http = true\n{connection}"));
    assert_eq!(call(&outbound, "http://billing.test/").await.expect("answered"), 502);
    assert_eq!(proxy.count(), 1);
}

/// Run by itself, and by the next test with a proxy in its environment.
#[tokio::test]
async fn calls_of_a_policy_to_loopback_arrive() {
    let issuer = Server::start(|_, _| granted("for-billing", 60)).await;
    let service = Server::start(|_, _| json(200, "{}".into())).await;
    let file = File::new(if std::env::var_os("HTTP_PROXY").is_some() { "child" } else { "parent" }, "s3cret-value");
    call(&client(&service.url, &file.0, ""), &service.url).await.expect("called");
    let policy = format!(
        "[[issuers]]\nissuer = \"https://id.test\"\naudience = \"orders\"\n\
         [[outbound]]\norigin = \"{}\"\ntoken_endpoint = \"{}/token\"\nclient = \"orders\"\nsecret_file = \"{}\"",
        service.url,
        issuer.url,
        file.0.display()
    );
    let outbound = Outbound::from_config(&Policy::from_toml(&policy).expect("a policy")).expect("bound");
    call(&outbound, &service.url).await.expect("called");
    assert_eq!((issuer.count(), service.count()), (1, 2), "straight, not by way of a proxy");
}

#[tokio::test]
async fn s7_06_a_proxy_of_the_environment_sees_no_token_of_a_loopback_origin() {
    crate::servers::assert_passes_by_a_proxy("proxies::calls_of_a_policy_to_loopback_arrive").await;
}

/// Lets time pass for the client's next look at its files, on a runtime of one thread.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn s4_29_the_files_of_the_calls_are_read_again() {
    let (first, second) = (crate::certificate::authority(), crate::certificate::authority());
    let url = crate::certificate::service(&first).await;
    let (roots, token) = (File::new("roots", &first.pem()), File::new("roots-token", "s3cret-value"));
    let connection =
        format!("[connection]\nroots_files = [\"{}\"]\nonly_added_roots = true\nproxy = \"none\"\n", roots.0.display());
    let outbound = client(&url, &token.0, &connection);
    assert_eq!(call(&outbound, &url).await.expect("called"), 200);
    // The authority is replaced: the server's certificate is not trusted any more.
    std::fs::write(&roots.0, second.pem()).expect("written");
    pass(Duration::from_secs(11)).await;
    let error = call(&outbound, &url).await.expect_err("another authority");
    assert!(error.to_string().contains("certificate not trusted"), "{error}");
    std::fs::write(&roots.0, first.pem()).expect("written");
    pass(Duration::from_secs(11)).await;
    assert_eq!(call(&outbound, &url).await.expect("called"), 200);
    // A file that is being written ends nothing; one that stays broken does.
    std::fs::write(&roots.0, "").expect("written");
    pass(Duration::from_secs(11)).await;
    assert_eq!(call(&outbound, &url).await.expect("within a minute"), 200);
    pass(Duration::from_secs(60)).await;
    let error = call(&outbound, &url).await.expect_err("no roots");
    assert_eq!((error.code(), error.is_transient()), ("call_failed", true));
    assert!(error.to_string().contains("have no certificate in PEM form"), "{error}");
    std::fs::write(&roots.0, first.pem()).expect("written");
    assert_eq!(call(&outbound, &url).await.expect("at once"), 200);
}
