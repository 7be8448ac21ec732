//! The reason of each failed connection, in the health of the keys, in the log, and in errors of token sources.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use countersign::clock::SystemClock;
use countersign::health::Health;
use countersign::key::{KeyHealth, KeySource, RefreshReason};
use countersign::keys::{KubernetesKeys, RefreshPolicy, RemoteKeys};
use countersign::outbound::{ClientCredentials, OutboundContext, TokenRequest, TokenSource};
use countersign::policy::NeedsAudience;
use countersign::secret::Secret;
use countersign::verify::Verifier;
use countersign_tests::ports::free_port;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::events::Events;
use crate::server::{Reply, Server, answer};
use crate::sources::file;
use crate::world::until;

pub type Authority = CertifiedIssuer<'static, KeyPair>;

pub fn authority() -> Authority {
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, format!("authority {}", fastrand::u64(..)));
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority")
}

/// The address of a server that ends each connection after the handshake.
async fn tls_server(certificate: CertificateDer<'static>, key: &KeyPair) -> String {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
    let acceptor = TlsAcceptor::from(Arc::new(config.expect("a configuration")));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(acceptor.accept(stream).await);
        }
    });
    url
}

/// As [`tls_server`], with a certificate of `authority` for these parameters.
async fn server_of(authority: &Authority, change: impl FnOnce(&mut CertificateParams)) -> String {
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("parameters");
    change(&mut params);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, authority).expect("signed");
    tls_server(certificate.der().clone(), &key).await
}

/// The reason in the health of these keys after a fetch, and the reason in the log.
async fn reasons(keys: Arc<dyn KeySource>) -> (String, String) {
    let events = Events::of_this_thread();
    let verifier =
        Verifier::new(NeedsAudience::new("https://id.example", Arc::clone(&keys)).audience("orders")).expect("good");
    let _ = keys.refresh(RefreshReason::NoUsableKeys).await;
    until("the end of the fetch", || keys.describe().stats.failed == 1).await; // the caller may have given up a moment before
    let health = Health::new(&verifier).report().remove(0).1;
    let KeyHealth::NotReady { reason } = health else { panic!("{health:?}") };
    let logged = events.take();
    let line = logged.iter().find(|line| line.starts_with("WARN key fetch failed")).expect("a line").clone();
    (reason.into_owned(), line)
}

/// A policy that tries once within the test, with this time limit.
pub fn once(timeout: Duration) -> RefreshPolicy {
    let long = Duration::from_secs(60);
    RefreshPolicy::default().timeout(timeout).max_wait(timeout).initial_backoff(long).max_backoff(long)
}

async fn assert_reason(url: &str, expected: &str) {
    let keys = RemoteKeys::from_url(format!("{url}/keys")).refresh_policy(once(Duration::from_secs(3)));
    let (health, line) = reasons(Arc::new(keys)).await;
    assert_eq!(health, expected, "{url}");
    assert!(line.contains(&format!("error={expected}")), "{line}");
    let tokens = ClientCredentials::from_token_endpoint(format!("{url}/token")).client("a", Secret::from("s"));
    assert!(tokens.attach(&OutboundContext::new(Arc::new(SystemClock))).is_empty());
    let error = tokens.token(&TokenRequest::default()).await.expect_err(expected);
    let text = error.to_string();
    assert!(text.contains(&format!(": {expected}; asked at {url}/token")), "{text}");
}

/// Answers whatever comes with a response in plain text.
fn speak_http(peer: &mut TcpStream) -> std::io::Result<()> {
    peer.read(&mut [0; 4096]).map(drop)?;
    peer.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")?;
    peer.read(&mut [0]).map(drop) // until the client has read it
}

#[tokio::test]
async fn a_name_a_port_and_the_end_of_a_connection() {
    assert_reason("https://nothing.invalid", "host name not found").await;
    assert_reason(&format!("http://127.0.0.1:{}", free_port()), "connection refused").await;
    let resets = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://{}", resets.local_addr().expect("an address"));
    std::thread::spawn(move || resets.incoming().for_each(drop));
    let keys = RemoteKeys::from_url(&url).refresh_policy(once(Duration::from_secs(3)));
    assert_eq!(reasons(Arc::new(keys)).await.0, "connection closed by the server");
}

#[tokio::test]
async fn certificates_of_others_and_of_nobody() {
    let private = authority();
    let url = server_of(&private, |_| ()).await;
    assert_reason(&url, "certificate not trusted: unknown authority").await;
    let url = tls_server(private.der().clone(), private.key()).await;
    let reason = "certificate not trusted: self-signed (an authority's own certificate); adding it as a root does not help: \
                  issue a server certificate";
    assert_reason(&url, reason).await;
    let plain = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://{}", plain.local_addr().expect("an address"));
    std::thread::spawn(move || plain.incoming().flatten().for_each(|mut peer| drop(speak_http(&mut peer))));
    assert_reason(&url, "TLS handshake failed: the server does not speak TLS").await;
}

#[tokio::test]
async fn certificates_of_a_trusted_authority_that_are_not_for_now_or_here() {
    let trusted = authority();
    let (authority_file, token_file) = (file("causes-ca.crt"), file("causes-token"));
    std::fs::write(&authority_file, trusted.pem()).expect("written");
    std::fs::write(&token_file, "t").expect("written");
    let expired = server_of(&trusted, |params| params.not_after = date_time_ymd(2020, 1, 1)).await;
    let early = server_of(&trusted, |params| params.not_before = date_time_ymd(2090, 1, 1)).await;
    let elsewhere = server_of(&trusted, |params| {
        *params = CertificateParams::new(vec!["id.example".to_owned()]).expect("parameters");
    })
    .await;
    let good = server_of(&trusted, |_| ()).await;
    for (url, expected) in [
        (expired, "certificate not trusted: expired"),
        (early, "certificate not trusted: not valid yet"),
        (elsewhere, "certificate not trusted: wrong host name"),
        (good, "the connection broke"), // after the handshake
    ] {
        let keys = KubernetesKeys::from_server(&url, &authority_file, &token_file);
        let (health, line) = reasons(Arc::new(keys.refresh_policy(once(Duration::from_secs(3))))).await;
        assert!(health == expected || expected == "the connection broke" && health.contains("clos"), "{health}");
        assert!(line.contains(&health), "{line}");
    }
}

#[tokio::test]
async fn silence_before_and_after_the_connection() {
    // The queue of connections is full, so that the next one is not answered.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let full = socket.listen(0).expect("listening");
    let address = full.local_addr().expect("an address");
    let short = Duration::from_millis(200);
    let held: Vec<TcpStream> = (0..4).map_while(|_| TcpStream::connect_timeout(&address, short).ok()).collect();
    assert!(held.len() < 4, "the queue is full");
    let keys = RemoteKeys::from_url(format!("http://{address}/keys")).refresh_policy(once(Duration::from_secs(3)));
    assert_eq!(reasons(Arc::new(keys)).await.0, "connection timed out");

    let silent = Server::start(|_, _| Reply::Hang).await;
    let keys = RemoteKeys::from_url(format!("{}/keys", silent.url)).refresh_policy(once(short));
    assert_eq!(reasons(Arc::new(keys)).await.0, "no response in time");
}

#[tokio::test]
async fn a_redirect_names_the_host_and_only_that_in_plain_text() {
    let expect = |target: &str| {
        format!("status 302, a redirect to {target}, which is not followed; configure the final address")
    };
    for (location, target) in [
        ("https://login.example/secret?token=abc", "https://login.example"),
        ("https://login.example:8443/", "https://login.example:8443"),
        ("https://user:password@\u{202e}evil.example/", "an unreadable address"),
        ("javascript:alert(1)", "an unreadable address"),
    ] {
        let server = Server::start(move |_, _| answer(302, &[("location", location)], "")).await;
        assert_reason(&server.url, &expect(target)).await;
    }
    let long = format!("https://{}.example/", "a".repeat(4000));
    let server = Server::start(move |_, _| answer(302, &[("location", &long)], "")).await;
    let keys = RemoteKeys::from_url(&server.url).refresh_policy(once(Duration::from_secs(3)));
    let reason = reasons(Arc::new(keys)).await.0;
    assert!(reason.len() < 200, "{reason}");
    let server = Server::start(|_, _| answer(302, &[("location", "/login")], "")).await;
    assert_reason(&server.url, &expect(&server.url)).await;
}
