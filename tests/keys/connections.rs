//! The settings of connections: roots, client certificates, proxies, and the environment.

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign::clock::SystemClock;
use countersign::connection::ConnectionSettings;
use countersign::health::Health;
use countersign::issuers::ResolvedIssuers;
use countersign::key::{KeyHealth, KeySource, RefreshReason};
use countersign::keys::{self, RemoteKeys};
use countersign::outbound::{ClientCredentials, OutboundContext, TokenRequest, TokenSource};
use countersign::policy::{NeedsAudience, Policy};
use countersign::secret::Secret;
use countersign::verify::Verifier;
use countersign_test::TestIssuer;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::causes::{Authority, authority, once};
use crate::server::{Server, answer, ok};
use crate::sources::file;

/// A certificate of `authority` for `name`, and its key.
fn certificate(authority: &Authority, name: &str, usage: ExtendedKeyUsagePurpose) -> (rcgen::Certificate, KeyPair) {
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
    params.extended_key_usages = vec![usage];
    let key = KeyPair::generate().expect("a key");
    (params.signed_by(&key, authority).expect("signed"), key)
}

/// The port of a TLS server for `127.0.0.1` and `id.example` that serves `keys` to everybody, or only to clients of `clients`.
async fn server(authority: &Authority, clients: Option<&Authority>, keys: String) -> u16 {
    let names = vec!["127.0.0.1".to_owned(), "id.example".to_owned()];
    let key = KeyPair::generate().expect("a key");
    let own = CertificateParams::new(names).expect("parameters").signed_by(&key, authority).expect("signed");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let builder = match clients {
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add(clients.der().clone()).expect("a root");
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().expect("a verifier");
            ServerConfig::builder().with_client_cert_verifier(verifier)
        }
        None => ServerConfig::builder().with_no_client_auth(),
    };
    let config = builder.with_single_cert(vec![own.der().clone()], key).expect("a configuration");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let length = keys.len();
    let response = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{keys}");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let Ok(byte) = stream.read_u8().await else { break };
                head.push(byte);
            }
            let _ = stream.write_all(response.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    port
}

/// A proxy that connects everything to `port` of this machine, and the heads of the requests that it got.
async fn proxy_to(port: u16) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let own_port = listener.local_addr().expect("an address").port();
    let heads = Arc::<Mutex<Vec<String>>>::default();
    let seen = Arc::clone(&heads);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let Ok(byte) = client.read_u8().await else { break };
                head.push(byte);
            }
            seen.lock().expect("sound").push(String::from_utf8_lossy(&head).into_owned());
            let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
            let _ = client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await;
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
        }
    });
    (own_port, heads)
}

/// `ready`, or the reason why these keys cannot be fetched.
async fn outcome(keys: RemoteKeys) -> String {
    let keys: Arc<dyn KeySource> = Arc::new(keys.refresh_policy(once(Duration::from_secs(5))));
    let trusted = NeedsAudience::new("https://id.example", Arc::clone(&keys)).audience("orders");
    let verifier = match Verifier::new(trusted) {
        Ok(verifier) => verifier,
        Err(error) => return error.to_string(),
    };
    let _ = keys.refresh(RefreshReason::NoUsableKeys).await;
    match Health::new(&verifier).report().remove(0).1 {
        KeyHealth::Ready => "ready".to_owned(),
        KeyHealth::NotReady { reason } | KeyHealth::Degraded { reason, .. } => reason.into_owned(),
        other => format!("{other:?}"),
    }
}

fn jwks() -> String {
    TestIssuer::with_system_clock().jwks()
}

#[tokio::test]
async fn s4_29_added_roots_are_trusted_and_a_file_is_read_again() {
    let (private, another) = (authority(), authority());
    let url = format!("https://127.0.0.1:{}/keys", server(&private, None, jwks()).await);
    let with = |settings| outcome(RemoteKeys::from_url(&url).connection(settings));
    let new = ConnectionSettings::new;
    assert_eq!(with(new().add_roots(private.pem())).await, "ready");
    assert_eq!(with(new().add_roots(private.pem()).only_added_roots()).await, "ready");
    let unknown = "certificate not trusted: unknown authority";
    assert_eq!(with(new().add_roots(another.pem())).await, unknown);
    assert_eq!(with(new().add_roots(another.pem()).only_added_roots()).await, unknown);
    assert_eq!(with(new()).await, unknown);

    let path = file("connection-ca.pem");
    std::fs::write(&path, another.pem()).expect("written");
    let settings = new().add_roots_file(&path);
    assert_eq!(with(settings.clone()).await, unknown);
    std::fs::write(&path, private.pem()).expect("written");
    assert_eq!(with(settings.clone()).await, "ready", "the authority was replaced");
    let keys = RemoteKeys::from_url(&url).connection(settings.clone()).refresh_policy(once(Duration::from_secs(5)));
    let keys: Arc<dyn KeySource> = Arc::new(keys);
    let trusted = NeedsAudience::new("https://id.example", Arc::clone(&keys)).audience("orders");
    let verifier = Verifier::new(trusted).expect("a good file");
    std::fs::write(&path, "").expect("written");
    let problem = format!("added roots in the file {} have no certificate in PEM form", path.display());
    assert_eq!(with(settings).await, format!("connection: {problem} (issuer \"https://id.example\")"));
    let _ = keys.refresh(RefreshReason::NoUsableKeys).await;
    let KeyHealth::NotReady { reason } = Health::new(&verifier).report().remove(0).1 else { panic!("no keys") };
    assert_eq!(reason, format!("the connection settings are not usable: {problem}"), "while the service runs");
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_when_built() {
    let with = |settings| outcome(RemoteKeys::from_url("https://id.example/keys").connection(settings));
    let new = ConnectionSettings::new;
    let own = authority();
    for (settings, expected) in [
        (new().only_added_roots(), "trusts nobody"),
        (new().add_roots("no certificate"), "no certificate in PEM form"),
        (new().add_roots_file("/not/there.pem"), "no such file: /not/there.pem"),
        (new().certificate(own.pem(), Secret::from("no key")), "certificate or key is not PEM"),
        (new().certificate_files("/not/tls.crt", "/not/tls.key"), "no such file: /not/tls.crt"),
        (new().proxy("ftp://proxy.example"), "proxy is not a URL"),
        (new().proxy("user:s3cret-value@proxy"), "proxy is not a URL"),
    ] {
        let shown = format!("{settings:?}");
        let found = with(settings).await;
        assert!(found.starts_with("connection: ") && found.contains(expected), "{expected}: {found}");
        assert!(!found.contains("s3cret-value") && !shown.contains("s3cret-value"), "{found} {shown}");
    }
}

#[tokio::test]
async fn s7_03_a_client_certificate_is_shown_to_key_servers_too() {
    let (servers, clients) = (authority(), authority());
    let url = format!("https://127.0.0.1:{}/keys", server(&servers, Some(&clients), jwks()).await);
    let settings = ConnectionSettings::new().add_roots(servers.pem());
    let refused = outcome(RemoteKeys::from_url(&url).connection(settings.clone())).await;
    assert_eq!(refused, "TLS handshake failed: the server requires a client certificate");
    let (own, key) = certificate(&clients, "orders", ExtendedKeyUsagePurpose::ClientAuth);
    let (chain_file, key_file) = (file("connection-tls.crt"), file("connection-tls.key"));
    std::fs::write(&chain_file, own.pem()).expect("written");
    std::fs::write(&key_file, key.serialize_pem()).expect("written");
    let by_files = settings.clone().certificate_files(&chain_file, &key_file);
    assert_eq!(outcome(RemoteKeys::from_url(&url).connection(by_files)).await, "ready");
    let (own, key) = certificate(&servers, "orders", ExtendedKeyUsagePurpose::ClientAuth);
    let by_another = settings.certificate(own.pem(), Secret::from(key.serialize_pem()));
    assert!(!format!("{by_another:?}").contains("BEGIN"));
    let refused = outcome(RemoteKeys::from_url(&url).connection(by_another)).await;
    assert_eq!(refused, "TLS handshake failed: the server refused the client certificate");
}

#[tokio::test]
async fn a_proxy_is_used_off_loopback_and_its_password_stays_hidden() {
    let private = authority();
    let port = server(&private, None, jwks()).await;
    let (proxy, heads) = proxy_to(port).await;
    let settings =
        ConnectionSettings::new().add_roots(private.pem()).proxy(format!("http://user:s3cret-value@127.0.0.1:{proxy}"));
    assert!(!format!("{settings:?}").contains("s3cret-value"));
    let keys = RemoteKeys::from_url("https://id.example/keys").connection(settings.clone());
    assert!(!format!("{keys:?}").contains("s3cret-value"));
    assert_eq!(outcome(keys).await, "ready");
    let head = heads.lock().expect("sound").remove(0).to_ascii_lowercase();
    assert!(head.starts_with("connect id.example:443 ") && head.contains("proxy-authorization: basic"), "{head}");
    let on_loopback = RemoteKeys::from_url(format!("https://127.0.0.1:{port}/keys")).connection(settings);
    assert_eq!(outcome(on_loopback).await, "ready");
    assert!(heads.lock().expect("sound").is_empty(), "a connection to loopback uses no proxy");
}

#[tokio::test]
async fn s4_25_a_proxy_cannot_hide_the_address_of_an_issuer_that_is_resolved() {
    let (proxy, heads) = proxy_to(1).await;
    let settings = ConnectionSettings::new().proxy(format!("http://127.0.0.1:{proxy}"));
    let issuers = || {
        let settings = settings.clone();
        ResolvedIssuers::new(move |name: String| {
            let keys = Arc::new(RemoteKeys::from_issuer(&name).connection(settings.clone()));
            async move { Ok(Some(NeedsAudience::new(name, keys).audience("orders"))) }
        })
    };
    let token = TestIssuer::with_system_clock().with_name("https://id.example").token().audience("orders").sign();
    let verifier = Verifier::builder().trust_resolved(Arc::new(issuers())).build().expect("good");
    let _ = verifier.verify(&token).await.expect_err("no keys");
    assert!(heads.lock().expect("sound").is_empty(), "nobody asked the proxy");

    let anywhere = issuers().danger_allow_private_addresses();
    let verifier = Verifier::builder().trust_resolved(Arc::new(anywhere)).build().expect("good");
    let _ = verifier.verify(&token).await.expect_err("no keys");
    assert!(!heads.lock().expect("sound").is_empty(), "the proxy is used if every address is allowed");
}

#[tokio::test]
async fn a_policy_file_names_roots_certificate_and_proxy() {
    let (servers, clients) = (authority(), authority());
    let issuer = TestIssuer::with_system_clock().with_name("https://id.example");
    let url = format!("https://127.0.0.1:{}/keys", server(&servers, Some(&clients), issuer.jwks()).await);
    let (own, key) = certificate(&clients, "orders", ExtendedKeyUsagePurpose::ClientAuth);
    let (roots, chain, key_file) = (file("policy-ca.pem"), file("policy-tls.crt"), file("policy-tls.key"));
    std::fs::write(&roots, servers.pem()).expect("written");
    std::fs::write(&chain, own.pem()).expect("written");
    std::fs::write(&key_file, key.serialize_pem()).expect("written");
    let connection = json!({
        "roots_files": [roots], "only_added_roots": true, "certificate_file": chain, "key_file": key_file, "proxy": "none",
    });
    let issuers = json!([{"issuer": "https://id.example", "audience": ["orders"], "keys": {"jwks_url": url}}]);
    let policy = json!({"issuers": issuers, "connection": connection}).to_string();
    let policy = Policy::from_json(&policy).expect("a policy");
    assert_eq!(Policy::from_toml(&policy.to_toml()).as_ref(), Ok(&policy));
    let verifier = Verifier::builder().policy(&policy, keys::from_config).build().expect("good");
    let token = issuer.token().audience("orders").sign();
    assert!(verifier.verify(&token).await.is_ok());

    let (all, one) = (connection.to_string(), issuers[0]["keys"].to_string());
    let vars = [("A_ISSUER", "https://id.example"), ("A_AUDIENCE", "orders"), ("A_KEYS", &one), ("A_CONNECTION", &all)];
    assert_eq!(Policy::from_vars("A_", vars), Ok(policy));

    for (connection, expected) in [
        (json!({"key_file": "k"}), "belong together"),
        (json!({"proxy": "http://user:s3cret-value@proxy"}), "a policy holds no passwords"),
        (json!({"proxy": "none", "proxy_env": "X"}), "name one of them"),
        (json!({"proxy_env": "COUNTERSIGN_UNSET"}), "COUNTERSIGN_UNSET"),
        (json!({"roots_files": ["/not/there.pem"]}), "no such file"),
    ] {
        let mut stated = issuers.clone();
        stated[0]["connection"] = connection;
        let policy = Policy::from_json(&json!({"issuers": stated}).to_string()).expect("a policy");
        assert!(!format!("{policy:?}").contains("s3cret-value"));
        let error = Verifier::builder().policy(&policy, keys::from_config).build().expect_err(expected).to_string();
        assert!(error.contains(expected) && !error.contains("s3cret-value"), "{error}");
    }
}

#[tokio::test]
async fn keys_and_tokens_may_have_internal_addresses_while_the_issuer_keeps_its_public_name() {
    let issuer = TestIssuer::with_system_clock().with_name("https://id.example");
    let signed = issuer.clone();
    let internal = Server::start(move |_, path| match path {
        "/keys" => ok(signed.jwks()),
        "/token" => {
            let token = signed.token().audience("billing").sign();
            ok(json!({"access_token": token, "token_type": "Bearer", "expires_in": 60}).to_string())
        }
        _ => answer(404, &[], ""),
    })
    .await;
    let keys = Arc::new(RemoteKeys::from_url(format!("{}/keys", internal.url)));
    let verifier = Verifier::new(NeedsAudience::new("https://id.example", keys).audience("billing")).expect("good");
    let tokens =
        ClientCredentials::from_token_endpoint(format!("{}/token", internal.url)).client("a", Secret::from("s"));
    assert!(tokens.attach(&OutboundContext::new(Arc::new(SystemClock))).is_empty());
    let token = tokens.token(&TokenRequest::default()).await.expect("a token");
    let token = token.expose().trim_start_matches("Bearer ").to_owned();
    assert_eq!(verifier.verify(&token).await.expect("verified").issuer(), "https://id.example");
}

/// Runs [`in_this_environment`] in a process with these variables; returns what it reports.
fn in_environment(url: &str, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command.args(["--exact", "connections::in_this_environment", "--ignored", "--nocapture"]);
    for name in ["SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "no_proxy"] {
        command.env_remove(name);
    }
    let output = command.env("COUNTERSIGN_TEST_URL", url).envs(variables.iter().copied()).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let reported = text.split_once("outcome=[").and_then(|(_, rest)| rest.split_once(']'));
    reported.unwrap_or_else(|| panic!("no report: {text}")).0.to_owned()
}

#[tokio::test]
#[ignore = "another test runs it in a process with an environment of its own"]
async fn in_this_environment() {
    let Ok(url) = std::env::var("COUNTERSIGN_TEST_URL") else { return };
    println!("outcome=[{}]", outcome(RemoteKeys::from_url(url)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_environment_names_roots_and_proxies() {
    let (private, another) = (authority(), authority());
    let port = server(&private, None, jwks()).await;
    let (proxy, heads) = proxy_to(port).await;
    let (good, wrong) = (file("env-ca.pem"), file("env-other.pem"));
    std::fs::write(&good, private.pem()).expect("written");
    std::fs::write(&wrong, another.pem()).expect("written");
    let folder = file("env-roots");
    std::fs::create_dir_all(&folder).expect("created");
    std::fs::write(folder.join("5ed36f99.0"), private.pem()).expect("written"); // named as OpenSSL's c_rehash does
    let shown = |path: &std::path::Path| path.to_str().expect("text").to_owned();
    let (good, wrong, folder) = (shown(&good), shown(&wrong), shown(&folder));
    let proxy = format!("http://127.0.0.1:{proxy}");
    let (on_loopback, outside) = (format!("https://127.0.0.1:{port}/keys"), "https://id.example/keys");
    let run = |url: &str, variables: &[(&str, &str)]| tokio::task::block_in_place(|| in_environment(url, variables));
    let unknown = "certificate not trusted: unknown authority";
    assert_eq!(run(&on_loopback, &[]), unknown);
    assert_eq!(run(&on_loopback, &[("SSL_CERT_FILE", &good)]), "ready");
    assert_eq!(run(&on_loopback, &[("SSL_CERT_FILE", &wrong)]), unknown);
    assert_eq!(run(&on_loopback, &[("SSL_CERT_DIR", &folder)]), "ready");
    assert!(heads.lock().expect("sound").is_empty());

    let trusted = ("SSL_CERT_FILE", good.as_str());
    assert_eq!(run(outside, &[trusted, ("HTTPS_PROXY", &proxy)]), "ready");
    assert_eq!(run(outside, &[trusted, ("ALL_PROXY", &proxy)]), "ready");
    assert_eq!(heads.lock().expect("sound").len(), 2);
    let direct = run(outside, &[trusted, ("HTTPS_PROXY", &proxy), ("NO_PROXY", "id.example")]);
    assert_eq!(direct, "host name not found");
    let local = run(&on_loopback, &[trusted, ("HTTPS_PROXY", &proxy)]);
    assert_eq!((local.as_str(), heads.lock().expect("sound").len()), ("ready", 2));
}
