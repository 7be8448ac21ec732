//! Tokens that are bound to a certificate of the client (RFC 8705): CONFORMANCE S6.21 to S6.24.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use countersign::authz::proof_of_possession;
use countersign::prelude::*;
use countersign::proof::{Dpop, MutualTls, PeerCertificate, TlsPeer};
use countersign::secret::Secret;
use countersign::tls::{ClientCertificates, TlsListener, TlsSettings};
use countersign_test::{BearerAuth, TestIssuer, TestKey};
use countersign_tests::authority::{Authority, authority};
use countersign_tests::http::{Answer, Service};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, HandshakeKind, RootCertStore};

use crate::app::{builder, good, who};

/// A certificate and its key.
pub struct Identity {
    pub certificate: rcgen::Certificate,
    pub key: KeyPair,
}

impl Identity {
    /// A certificate for `localhost`, signed by `authority`.
    fn signed_by(authority: &Authority, usage: ExtendedKeyUsagePurpose) -> Self {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().expect("a key");
        Identity { certificate: params.signed_by(&key, authority).expect("signed"), key }
    }

    /// A self-signed certificate of a client.
    fn own() -> Self {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["client".to_owned()]).expect("parameters");
        Identity { certificate: params.self_signed(&key).expect("signed"), key }
    }

    fn thumbprint(&self) -> String {
        PeerCertificate::from_der(self.certificate.der()).thumbprint().to_string()
    }
}

fn bound(issuer: &TestIssuer, identity: &Identity) -> String {
    good(issuer).bound_to_certificate(identity.certificate.der()).sign()
}

fn router(layer: AuthenticateLayer) -> Router {
    Router::new().route("/", get(who)).route("/bound", get(who).layer(require(proof_of_possession()))).layer(layer)
}

/// A service with TLS at `https://localhost`.
struct TlsService {
    port: u16,
    roots: RootCertStore,
    folder: PathBuf,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for TlsService {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl TlsService {
    async fn start(layer: AuthenticateLayer, clients: ClientCertificates) -> Self {
        let authority = authority("authority");
        let own = Identity::signed_by(&authority, ExtendedKeyUsagePurpose::ServerAuth);
        let key = Secret::new(own.key.serialize_pem());
        let settings = TlsSettings::new(&own.certificate.pem(), &key, clients).expect("settings");
        let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = tcp.local_addr().expect("bound").port();
        let listener = TlsListener::new(tcp, settings);
        let app = router(layer).into_make_service_with_connect_info::<TlsPeer>();
        let task = tokio::spawn(async move { axum::serve(listener, app).await.expect("serves") });
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone()).expect("a root");
        let folder = std::env::temp_dir().join(format!("countersign-mtls-{port}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("roots.pem"), authority.pem()).expect("written");
        TlsService { port, roots, folder, task }
    }

    /// The status that `curl` gets, with the certificate of `client`.
    async fn curl(&self, path: &str, token: &str, client: Option<&Identity>, version: &str) -> String {
        let mut command = Command::new("curl");
        command.args([
            "--silent",
            "--show-error",
            "--output",
            "-",
            "--write-out",
            " %{http_code} %{http_version}",
            version,
        ]);
        command.arg("--cacert").arg(self.folder.join("roots.pem"));
        command.arg("--header").arg(format!("Authorization: Bearer {token}"));
        if let Some(client) = client {
            let (certificate, key) = (self.folder.join("client.pem"), self.folder.join("client.key"));
            std::fs::write(&certificate, client.certificate.pem()).expect("written");
            std::fs::write(&key, client.key.serialize_pem()).expect("written");
            command.arg("--cert").arg(certificate).arg("--key").arg(key);
        }
        let output = command.arg(format!("https://localhost:{}{path}", self.port)).output().await.expect("curl runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    fn connector(&self, client: Option<&Identity>) -> TlsConnector {
        let config = ClientConfig::builder().with_root_certificates(self.roots.clone());
        let config = match client {
            None => config.with_no_client_auth(),
            Some(client) => {
                let chain: Vec<CertificateDer<'static>> = vec![client.certificate.der().clone()];
                let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(client.key.serialize_der()));
                config.with_client_auth_cert(chain, key).expect("an identity")
            }
        };
        TlsConnector::from(Arc::new(config))
    }

    /// The statuses of requests on one connection, each to its host, and the kind of the handshake.
    async fn on_one_connection(
        &self,
        connector: &TlsConnector,
        token: &str,
        hosts: &[&str],
    ) -> (Vec<u16>, HandshakeKind) {
        let tcp = tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.expect("connects");
        let name = ServerName::try_from("localhost").expect("a name");
        let mut stream = connector.connect(name, tcp).await.expect("a handshake");
        let mut statuses = Vec::new();
        for host in hosts {
            let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n");
            stream.write_all(request.as_bytes()).await.expect("sends");
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.expect("an answer"));
            }
            let head = String::from_utf8(head).expect("text").to_ascii_lowercase();
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
            let mut body = vec![0; length.expect("a length").parse().expect("a number")];
            stream.read_exact(&mut body).await.expect("a body");
            statuses.push(head[9..12].parse().expect("a status"));
        }
        let kind = stream.get_ref().1.handshake_kind().expect("a handshake");
        stream.shutdown().await.expect("closes");
        // Tickets of TLS 1.3 come after the handshake; they are read by now, with the responses.
        (statuses, kind)
    }
}

fn layer(issuer: &TestIssuer) -> AuthenticateLayer {
    builder(issuer).mutual_tls(MutualTls::of_connection()).build().expect("a layer")
}

#[tokio::test]
async fn s6_21_a_token_is_taken_from_the_client_whose_certificate_it_names() {
    let issuer = TestIssuer::new();
    let service = TlsService::start(layer(&issuer), ClientCertificates::Any).await;
    let (client, other) = (Identity::own(), Identity::own());
    let token = bound(&issuer, &client);
    for version in ["--http1.1", "--http2"] {
        let shown = if version == "--http2" { "2" } else { "1.1" };
        let answer = |answer: String, expected: &str| assert_eq!(answer, format!("{expected} {shown}"));
        answer(service.curl("/", &token, Some(&client), version).await, "u1 200");
        answer(service.curl("/bound", &token, Some(&client), version).await, "u1 200");
        answer(service.curl("/", &good(&issuer).sign(), Some(&client), version).await, "u1 200");
        answer(service.curl("/", &good(&issuer).sign(), None, version).await, "u1 200");
    }
    for client in [None, Some(&other)] {
        let answer = service.curl("/", &token, client, "--http1.1").await;
        assert!(answer.ends_with(" 401 1.1") && answer.contains("token_invalid"), "{answer}");
    }
    let answer = service.curl("/bound", &good(&issuer).sign(), Some(&client), "--http1.1").await;
    assert!(answer.ends_with(" 401 1.1") && answer.contains("bound_token_required"), "{answer}");
    let der = client.certificate.der().to_vec();
    let of_pem = PeerCertificate::from_der(client.certificate.pem().as_bytes()).thumbprint().to_string();
    let hex: String =
        PeerCertificate::from_der(&der).thumbprint().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    for wrong in [of_pem, hex, format!("{}=", client.thumbprint()), String::new(), client.thumbprint().to_lowercase()] {
        let answer = service
            .curl("/", &good(&issuer).claim("cnf", json!({ "x5t#S256": wrong })).sign(), Some(&client), "--http1.1")
            .await;
        assert!(answer.ends_with(" 401 1.1"), "{wrong}: {answer}");
    }
}

#[tokio::test]
async fn s6_21_a_layer_without_the_setting_and_a_listener_with_authorities() {
    let issuer = TestIssuer::new();
    let clients = authority("authority");
    let client = Identity::signed_by(&clients, ExtendedKeyUsagePurpose::ClientAuth);
    let token = bound(&issuer, &client);
    let plain = TlsService::start(crate::app::layer(&issuer), ClientCertificates::Any).await;
    assert!(plain.curl("/", &token, Some(&client), "--http1.1").await.ends_with(" 401 1.1"));

    let service = TlsService::start(layer(&issuer), ClientCertificates::SignedBy(clients.pem())).await;
    assert_eq!(service.curl("/", &token, Some(&client), "--http1.1").await, "u1 200 1.1");
    assert_eq!(service.curl("/", &good(&issuer).sign(), None, "--http1.1").await, "u1 200 1.1");
    let connector = service.connector(Some(&Identity::own()));
    let tcp = tokio::net::TcpStream::connect(("127.0.0.1", service.port)).await.expect("connects");
    let mut stream = connector.connect(ServerName::try_from("localhost").expect("a name"), tcp).await.expect("half");
    let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(stream.read_u8().await.is_err(), "a certificate of nobody that is known");
}

#[tokio::test]
async fn s6_23_a_resumed_session_and_a_connection_that_is_used_again_keep_their_certificate() {
    let issuer = TestIssuer::new();
    let service = TlsService::start(layer(&issuer), ClientCertificates::Any).await;
    let (client, other) = (Identity::own(), Identity::own());
    let token = bound(&issuer, &client);
    let connector = service.connector(Some(&client));
    let first = service.on_one_connection(&connector, &token, &["a.test", "b.test"]).await;
    assert_eq!(first, (vec![200, 200], HandshakeKind::Full));
    let second = service.on_one_connection(&connector, &token, &["c.test"]).await;
    assert_eq!(second, (vec![200], HandshakeKind::Resumed));
    let others = service.connector(Some(&other));
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        assert_eq!(service.on_one_connection(&others, &token, &["a.test"]).await, (vec![401], kind));
    }
    let nobody = service.connector(None);
    assert_eq!(service.on_one_connection(&nobody, &token, &["a.test"]).await.0, [401]);
    assert_eq!(service.on_one_connection(&connector, &token, &["a.test"]).await.0, [200]);
}

#[tokio::test]
async fn s6_23_handshakes_that_never_end_stop_nobody() {
    let issuer = TestIssuer::new();
    let service = TlsService::start(layer(&issuer), ClientCertificates::Any).await;
    let mut held = Vec::new();
    for _ in 0..600 {
        held.push(tokio::net::TcpStream::connect(("127.0.0.1", service.port)).await.expect("connects"));
    }
    // Of another address: half of the handshakes are left to it.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.2:0".parse().expect("an address")).expect("bound");
    let address = format!("127.0.0.1:{}", service.port).parse().expect("an address");
    let tcp = socket.connect(address).await.expect("connects");
    let name = ServerName::try_from("localhost").expect("a name");
    let mut stream = service.connector(None).connect(name, tcp).await.expect("a handshake");
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n", good(&issuer).sign());
    stream.write_all(request.as_bytes()).await.expect("sends");
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.expect("an answer");
    assert_eq!(&start, b"HTTP/1.1 200");
    // The address that holds so many gets no further one.
    let mut refused = held.pop().expect("a connection");
    assert_eq!(refused.read(&mut [0]).await.expect("closed"), 0);
}

/// A service behind a proxy, which is this test.
async fn behind(mutual_tls: MutualTls, issuer: &TestIssuer) -> Service {
    let layer = builder(issuer).public(["/seen"]).mutual_tls(mutual_tls).build().expect("a layer");
    let seen = |headers: http::HeaderMap| async move {
        ["client-cert", "client-cert-chain", "x-forwarded-client-cert"]
            .map(|name| headers.contains_key(name).to_string())
            .join(" ")
    };
    let router = Router::new().route("/", get(who)).route("/seen", get(seen)).layer(layer);
    Service::with_peers(router).await
}

async fn send(service: &Service, token: &str, headers: &[String]) -> Answer {
    let authorization = format!("Authorization: Bearer {token}");
    let mut all = vec![authorization.as_str()];
    all.extend(headers.iter().map(String::as_str));
    service.request("GET /", &all).await
}

#[tokio::test]
async fn s6_22_a_certificate_in_a_header_counts_only_from_a_named_proxy() {
    use base64_simd::STANDARD;
    let issuer = TestIssuer::new();
    let (client, other) = (Identity::own(), Identity::own());
    let token = bound(&issuer, &client);
    let rfc9440 =
        |identity: &Identity| format!("Client-Cert: :{}:", STANDARD.encode_to_string(identity.certificate.der()));
    let envoy = |identity: &Identity| {
        let thumbprint = PeerCertificate::from_der(identity.certificate.der()).thumbprint();
        let hash: String = thumbprint.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("X-Forwarded-Client-Cert: By=spiffe://a/b;Hash={hash};Subject=\"CN=client\"")
    };
    for (trusted, header) in [
        (MutualTls::from_proxies(["127.0.0.0/8"]), &rfc9440 as &dyn Fn(&Identity) -> String),
        (MutualTls::from_envoy(["127.0.0.1"]), &envoy),
    ] {
        let service = behind(trusted, &issuer).await;
        assert_eq!(send(&service, &token, &[header(&client)]).await.status, 200);
        assert_eq!(send(&service, &token, &[header(&other)]).await.status, 401);
        assert_eq!(send(&service, &token, &[]).await.status, 401);
        for twice in [vec![header(&client), header(&client)], vec![header(&client), header(&other)]] {
            let answer = send(&service, &token, &twice).await;
            assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_request"), "{answer:?}");
        }
        let name = header(&client).split(':').next().expect("a name").to_owned();
        assert_eq!(send(&service, &token, &[format!("{name}: x")]).await.status, 400);
        assert_eq!(service.request("GET /seen", &[&header(&client)]).await.body.matches("true").count(), 1);
    }
    for untrusted in [MutualTls::from_proxies(["10.0.0.1", "::1"]), MutualTls::from_envoy(["10.0.0.0/8"])] {
        let service = behind(untrusted, &issuer).await;
        for header in [rfc9440(&client), envoy(&client)] {
            let answer = send(&service, &token, &[header]).await;
            assert_eq!((answer.status, answer.code().as_str()), (401, "token_invalid"), "{answer:?}");
        }
        assert_eq!(send(&service, &token, &[rfc9440(&client), rfc9440(&client)]).await.status, 401, "nobody asked it");
        assert_eq!(send(&service, &good(&issuer).sign(), &[rfc9440(&client)]).await.status, 200);
    }
    let service = behind(MutualTls::from_proxies(["10.0.0.1"]), &issuer).await;
    let chain = format!("Client-Cert-Chain: :{}:", STANDARD.encode_to_string(client.certificate.der()));
    let seen = service.request("GET /seen", &[&rfc9440(&client), &chain]).await;
    assert_eq!(seen.body, "false false false", "handlers must not see it either");

    // Of a connection, no header counts, and none goes further.
    let service = behind(MutualTls::of_connection(), &issuer).await;
    let all = [rfc9440(&client), envoy(&client), chain];
    assert_eq!(send(&service, &token, &all).await.status, 401);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    assert_eq!(service.request("GET /seen", &all).await.body, "false false false");

    // Nobody told who the peer is.
    let layer = builder(&issuer).mutual_tls(MutualTls::from_proxies(["127.0.0.1"])).build().expect("a layer");
    let service = Service::start(Router::new().route("/", get(who)).layer(layer)).await;
    assert_eq!(send(&service, &token, &[rfc9440(&client)]).await.status, 401);
}

#[tokio::test]
async fn s6_24_a_token_that_is_bound_to_both_needs_both() {
    let issuer = TestIssuer::new();
    let (certificate, other) = (Identity::own(), Identity::own());
    let [client, thief] = [(); 2].map(|()| TestKey::new(issuer.clock()));
    let cnf = json!({ "jkt": client.thumbprint(), "x5t#S256": certificate.thumbprint(), "kid": "x" });
    let token = good(&issuer).claim("cnf", cnf).sign();
    let layer = builder(&issuer)
        .mutual_tls(MutualTls::of_connection())
        .dpop(Dpop::at("https://api.test"))
        .build()
        .expect("a layer");
    let status = async |certificate: Option<&Identity>, prover: Option<&TestKey>| {
        let request = http::Request::get("/").body(axum::body::Body::empty()).expect("a request");
        let mut request = match prover {
            Some(prover) => prover.proof("GET", "https://api.test/", &token).on(request),
            None => request.bearer_auth(&token),
        };
        if let Some(identity) = certificate {
            request.extensions_mut().insert(PeerCertificate::from_der(identity.certificate.der()));
        }
        tower::ServiceExt::oneshot(router(layer.clone()), request).await.expect("an answer").status().as_u16()
    };
    assert_eq!(status(Some(&certificate), Some(&client)).await, 200);
    assert_eq!(status(Some(&other), Some(&client)).await, 401);
    assert_eq!(status(None, Some(&client)).await, 401);
    assert_eq!(status(Some(&certificate), Some(&thief)).await, 401);
    assert_eq!(status(Some(&certificate), None).await, 401);
    assert_eq!(status(Some(&certificate), Some(&client)).await, 200);
}

#[test]
fn s6_22_settings_that_let_everybody_name_a_certificate_are_refused() {
    let issuer = TestIssuer::new();
    let field = |mutual_tls: MutualTls| {
        let error = builder(&issuer).mutual_tls(mutual_tls).build().expect_err("a fault");
        error.faults().first().expect("a fault").field.to_string()
    };
    for peers in [vec![], vec!["proxy.internal"], vec!["0.0.0.0/0"], vec!["::/0"], vec!["10.0.0.1:443"]] {
        assert_eq!(field(MutualTls::from_proxies(peers.clone())), "trusted_proxies", "{peers:?}");
        assert_eq!(field(MutualTls::from_envoy(peers.clone())), "trusted_proxies", "{peers:?}");
    }
    let key = Secret::new(Identity::own().key.serialize_pem());
    let pem = Identity::own().certificate.pem();
    let settings = |chain: &str, key: &Secret<String>, clients| TlsSettings::new(chain, key, clients).map(drop);
    for error in [
        settings("", &key, ClientCertificates::Any),
        settings(&pem, &Secret::new("x".into()), ClientCertificates::Any),
        settings(&pem, &key, ClientCertificates::Any),
        settings(&pem, &key, ClientCertificates::SignedBy(String::new())),
    ] {
        assert!(error.is_err());
    }
}
