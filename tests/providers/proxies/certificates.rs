//! Proxies that end TLS and forward the certificate of the client, set up as `docs/guides/bound-tokens.md` says.

use std::path::{Path, PathBuf};

use axum::Router;
use axum::routing::get;
use countersign::prelude::*;
use countersign::proof::{MutualTls, PeerCertificate};
use countersign_test::TestIssuer;
use countersign_tests::authority::{Authority, authority};
use countersign_tests::http::Service;
use countersign_tests::parts::Part;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};
use serde_json::json;
use tokio::process::Command;

use super::Proxy;
use crate::guide::Guide;

fn identity(authority: &Authority, usage: ExtendedKeyUsagePurpose) -> (rcgen::Certificate, KeyPair) {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    params.extended_key_usages = vec![usage];
    let key = KeyPair::generate().expect("a key");
    (params.signed_by(&key, authority).expect("signed"), key)
}

/// A service that trusts headers of this machine, and the files of the proxy before it.
struct Edge {
    issuer: TestIssuer,
    orders: Service,
    clients: Authority,
    folder: PathBuf,
}

impl Edge {
    async fn new(mutual_tls: MutualTls, name: &str) -> Self {
        let issuer = TestIssuer::new();
        let layer = AuthenticateLayer::builder(issuer.verifier_for("orders")).mutual_tls(mutual_tls);
        let who = |claims: Claims| async move { claims.subject().to_owned() };
        let router = Router::new().route("/", get(who)).layer(layer.build().expect("a layer"));
        let orders = Service::with_peers(router).await;
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("certificates-{name}"));
        std::fs::create_dir_all(&folder).expect("a folder");
        let (servers, clients) = (authority("servers"), authority("clients"));
        let (own, key) = identity(&servers, ExtendedKeyUsagePurpose::ServerAuth);
        let write = |name: &str, text: String| std::fs::write(folder.join(name), text).expect("a file");
        write("edge.pem", own.pem() + &key.serialize_pem());
        write("edge.crt", own.pem());
        write("edge.key", key.serialize_pem());
        write("servers.pem", servers.pem());
        write("clients.pem", clients.pem());
        Edge { issuer, orders, clients, folder }
    }

    fn orders_port(&self) -> String {
        self.orders.url().rsplit(':').next().expect("a port").to_owned()
    }

    /// The configuration of the guide with the files and ports of this test.
    fn configuration(&self, file: &str, etc: &str, port: u16) -> String {
        let guide = Guide::read("bound-tokens");
        let text = guide.file(file);
        text.replace("8443", &port.to_string())
            .replace("9002", &self.orders_port())
            .replace(etc, self.folder.to_str().expect("text"))
    }

    /// Checks that the token counts only with the certificate that it names, whatever the client writes itself.
    async fn passes_certificates_on(&self, proxy: &Proxy) {
        let [owner, other] = [(); 2].map(|()| identity(&self.clients, ExtendedKeyUsagePurpose::ClientAuth));
        let thumbprint = PeerCertificate::from_der(owner.0.der()).thumbprint();
        let token = |claims: serde_json::Value| {
            self.issuer.token().subject("ann").audience("orders").claim("cnf", claims).sign()
        };
        let bound = token(json!({ "x5t#S256": thumbprint.to_string() }));
        let hash: String = thumbprint.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let lies = [
            format!("Client-Cert: :{}:", base64_simd::STANDARD.encode_to_string(owner.0.der())),
            format!("X-Forwarded-Client-Cert: Hash={hash}"),
        ];
        let status = async |client: Option<&(rcgen::Certificate, KeyPair)>, headers: &[String]| {
            curl(&self.folder, proxy.port, &bound, client, headers).await
        };
        assert_eq!(status(Some(&owner), &[]).await, "200");
        assert_eq!(status(Some(&owner), &lies).await, "200");
        assert_eq!(status(None, &lies).await, "401");
        assert_eq!(status(Some(&other), &lies).await, "401");
        assert_eq!(status(None, &[]).await, "401");
        let free = self.issuer.token().subject("ann").audience("orders").sign();
        assert_eq!(curl(&self.folder, proxy.port, &free, None, &lies).await, "200");
    }
}

async fn curl(
    folder: &Path,
    port: u16,
    token: &str,
    client: Option<&(rcgen::Certificate, KeyPair)>,
    headers: &[String],
) -> String {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--output", "/dev/null", "--write-out", "%{http_code}", "--cacert"]);
    command.arg(folder.join("servers.pem")).arg("--header").arg(format!("Authorization: Bearer {token}"));
    for header in headers {
        command.arg("--header").arg(header);
    }
    if let Some((certificate, key)) = client {
        let (path, key_path) = (folder.join("client.pem"), folder.join("client.key"));
        std::fs::write(&path, certificate.pem()).expect("a file");
        std::fs::write(&key_path, key.serialize_pem()).expect("a file");
        command.arg("--cert").arg(path).arg("--key").arg(key_path);
    }
    let output = command.arg(format!("https://localhost:{port}/")).output().await.expect("curl runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_haproxy), ignore = "needs HAProxy: tests/peers/install")]
async fn s6_21_s6_22_haproxy_ends_tls_and_forwards_the_certificate_of_the_client() {
    let edge = Edge::new(MutualTls::from_proxies(["127.0.0.1"]), "haproxy").await;
    let proxy = Proxy::start(Part::Haproxy, |_, port| {
        let file = edge.folder.join("haproxy.cfg");
        std::fs::write(&file, edge.configuration("haproxy.cfg", "/etc/haproxy", port)).expect("a file");
        vec!["-db".into(), "-f".into(), file.display().to_string()]
    })
    .await;
    edge.passes_certificates_on(&proxy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_envoy), ignore = "needs Envoy: tests/peers/install")]
async fn s6_21_s6_22_envoy_ends_tls_and_forwards_the_certificate_of_the_client() {
    let edge = Edge::new(MutualTls::from_envoy(["127.0.0.1"]), "envoy").await;
    let proxy = Proxy::start(Part::Envoy, |_, port| {
        let file = edge.folder.join("envoy.yaml");
        std::fs::write(&file, edge.configuration("envoy.yaml", "/etc/envoy", port)).expect("a file");
        let file = file.display().to_string();
        ["-c", &file, "--concurrency", "1", "--use-dynamic-base-id", "--log-level", "error"].map(str::to_owned).to_vec()
    })
    .await;
    edge.passes_certificates_on(&proxy).await;
}
