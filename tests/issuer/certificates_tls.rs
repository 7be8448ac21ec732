//! Certificates of clients over real TLS: curl, OpenSSL and the outbound client get tokens that only their certificate uses.
//! CONFORMANCE S6.21 to S6.23.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use countersign::connection::ConnectionSettings;
use countersign::outbound::{ClientCredentials, Outbound};
use countersign::prelude::*;
use countersign::proof::{MutualTls, PeerCertificate, ReadCertificateLayer, TlsPeer};
use countersign::secret::Secret;
use countersign::tls::{ClientCertificates, TlsListener, TlsSettings};
use countersign_core::clock::{Clock, SystemClock};
use countersign_issuer::{Audience, Client, Issuer};
use countersign_test::ManualClock;
use countersign_tests::authority::{Authority, authority};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::service::{SECRET, claims};

/// A self-signed certificate of a client, and its key.
struct Identity {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Identity {
    fn own() -> Self {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["client".to_owned()]).expect("parameters");
        Identity { certificate: params.self_signed(&key).expect("signed"), key }
    }

    fn peer(&self) -> PeerCertificate {
        PeerCertificate::from_der(self.certificate.der())
    }

    /// Writes certificate and key into `folder`; returns their paths.
    fn write(&self, folder: &Path) -> (PathBuf, PathBuf) {
        let name = self.peer().thumbprint().to_string();
        let (certificate, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        std::fs::write(&certificate, self.certificate.pem()).expect("written");
        std::fs::write(&key, self.key.serialize_pem()).expect("written");
        (certificate, key)
    }
}

/// An issuer and a service that takes its tokens, both at `https://localhost`.
struct World {
    url: String,
    authority: Authority,
    folder: PathBuf,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.task.abort();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl World {
    /// `mesh` authenticates with the certificate `own`, and `bound` with a secret; the tokens of both are bound.
    async fn start(own: &Identity) -> Self {
        let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = tcp.local_addr().expect("bound").port();
        let url = format!("https://localhost:{port}");
        let mesh = Client::new("mesh").certificates([own.peer().thumbprint()]);
        let bound = Client::new("bound").secret(Secret::from(SECRET));
        let clock = ManualClock::new(SystemClock.now());
        let issuer = Issuer::builder(&url)
            .clock(Arc::new(clock.clone()))
            .add_audience(Audience::new("billing"))
            .add_client(mesh.audiences(["billing"]).certificate_bound_access_tokens())
            .add_client(bound.audiences(["billing"]).certificate_bound_access_tokens())
            .build()
            .expect("sound");
        let verifier =
            Verifier::builder().trust(issuer.trusted_for("billing")).clock(Arc::new(clock)).build().expect("sound");
        let layer =
            AuthenticateLayer::builder(verifier).mutual_tls(MutualTls::of_connection()).build().expect("a layer");
        let who = async |caller: Claims| caller.subject().to_owned();
        let certificates = ReadCertificateLayer::new(MutualTls::of_connection()).expect("a layer");
        let app = Router::new().route("/who", get(who)).layer(layer).merge(issuer.router().layer(certificates));

        let authority = authority("authority");
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().expect("a key");
        let chain = params.signed_by(&key, &authority).expect("signed").pem();
        let settings = TlsSettings::new(&chain, &Secret::new(key.serialize_pem()), ClientCertificates::Any);
        let listener = TlsListener::new(tcp, settings.expect("settings"));
        let app = app.into_make_service_with_connect_info::<TlsPeer>();
        let task = tokio::spawn(async move { axum::serve(listener, app).await.expect("serves") });

        let folder = std::env::temp_dir().join(format!("countersign-issuer-mtls-{port}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("roots.pem"), authority.pem()).expect("written");
        World { url, authority, folder, task }
    }

    /// The status and the body that curl gets at this path, with the certificate of `client`.
    async fn curl(&self, path: &str, client: Option<&Identity>, more: &[&str]) -> (u16, String) {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--write-out", "\n%{http_code}", "--cacert"]);
        command.arg(self.folder.join("roots.pem")).args(more);
        if let Some((certificate, key)) = client.map(|client| client.write(&self.folder)) {
            command.arg("--cert").arg(certificate).arg("--key").arg(key);
        }
        let output = command.arg(format!("{}{path}", self.url)).output().await.expect("curl runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("text");
        let (body, status) = text.rsplit_once('\n').expect("a status");
        (status.parse().expect("a number"), body.to_owned())
    }

    /// A token request with these further parameters.
    async fn token(&self, client: Option<&Identity>, form: &str, more: &[&str]) -> (u16, Value) {
        let form = format!("grant_type=client_credentials&{form}");
        let (status, body) = self.curl("/token", client, &[more, &["--data", form.as_str()]].concat()).await;
        (status, serde_json::from_str(&body).expect("JSON"))
    }

    async fn who(&self, client: Option<&Identity>, token: &str) -> (u16, String) {
        self.curl("/who", client, &["--header", &format!("Authorization: Bearer {token}")]).await
    }
}

/// The SHA-256 of a certificate as OpenSSL computes it, in base64url.
async fn of_openssl(path: &Path) -> String {
    let command = "openssl x509 -in \"$1\" -outform der | openssl dgst -sha256 -binary | basenc --base64url | tr -d =";
    let output = Command::new("sh").args(["-c", command, "sh"]).arg(path).output().await.expect("openssl runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

#[tokio::test]
async fn s6_21_curl_gets_a_token_that_only_its_certificate_uses() {
    let (own, other) = (Identity::own(), Identity::own());
    let world = World::start(&own).await;

    // Hostile first: no certificate, another one, and headers that name the right one.
    let (path, _) = own.write(&world.folder);
    let header = format!("Client-Cert: :{}:", base64_simd::STANDARD.encode_to_string(own.certificate.der()));
    let hex: String = own.peer().thumbprint().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let envoy = format!("X-Forwarded-Client-Cert: Hash={hex}");
    for presented in [None, Some(&other)] {
        for more in [&[][..], &["--header", &header], &["--header", &envoy]] {
            let (status, body) = world.token(presented, "client_id=mesh", more).await;
            assert_eq!((status, &body["error"]), (401, &json!("invalid_client")), "{body}");
        }
    }
    let secret = format!("client_id=bound&client_secret={SECRET}");
    for more in [&[][..], &["--header", &header], &["--header", &envoy]] {
        let (status, body) = world.token(None, &secret, more).await;
        assert_eq!((status, &body["error"]), (400, &json!("invalid_request")), "{body}");
        let (status, body) = world.token(Some(&other), &secret, more).await;
        let bound = &claims(body["access_token"].as_str().expect("a token"))["cnf"];
        let of_connection = json!({ "x5t#S256": other.peer().thumbprint().to_string() });
        assert_eq!((status, bound), (200, &of_connection), "of the connection, whatever a header says");
    }

    for version in ["--http1.1", "--http2", "--tls-max=1.2"] {
        let version: &[&str] = if version.starts_with("--tls") { &["--tls-max", "1.2"] } else { &[version] };
        for form in ["client_id=mesh", &secret] {
            let (status, body) = world.token(Some(&own), form, version).await;
            assert_eq!((status, &body["token_type"]), (200, &json!("Bearer")), "{body}");
            let token = body["access_token"].as_str().expect("a token");
            assert_eq!(claims(token)["cnf"], json!({ "x5t#S256": of_openssl(&path).await }));

            assert_eq!(world.who(Some(&own), token).await.0, 200);
            for thief in [None, Some(&other)] {
                assert_eq!(world.who(thief, token).await.0, 401, "a stolen token");
            }
        }
    }
}

/// A certificate that was renewed between the token request and the use of the token.
#[tokio::test]
async fn s6_21_a_token_ends_with_the_certificate_that_it_was_requested_with() {
    let (own, renewed) = (Identity::own(), Identity::own());
    let world = World::start(&own).await;
    let secret = format!("client_id=bound&client_secret={SECRET}");
    let token = async |identity: &Identity| {
        let (_, body) = world.token(Some(identity), &secret, &[]).await;
        body["access_token"].as_str().expect("a token").to_owned()
    };
    let (before, after) = (token(&own).await, token(&renewed).await);
    assert_eq!(world.who(Some(&own), &before).await.0, 200);
    assert_eq!(world.who(Some(&renewed), &before).await.0, 401);
    assert_eq!(world.who(Some(&renewed), &after).await, (200, "bound".to_owned()));
}

/// The outbound client of this project, which has its certificate in its settings.
#[tokio::test]
async fn s6_21_s7_03_the_outbound_client_authenticates_and_calls_with_its_certificate() {
    let (own, other) = (Identity::own(), Identity::own());
    let world = World::start(&own).await;
    let roots = world.authority.pem();
    let call = async |identity: &Identity| {
        let pem = format!("{}{}", identity.certificate.pem(), identity.key.serialize_pem());
        let settings = ConnectionSettings::new().add_roots(&roots).only_added_roots().without_proxy();
        let settings = settings.certificate(identity.certificate.pem(), Secret::new(identity.key.serialize_pem()));
        let source = ClientCredentials::from_issuer(&world.url).client_certificate("mesh").audience("billing");
        let http = reqwest::Client::builder()
            .no_proxy()
            .add_root_certificate(reqwest::Certificate::from_pem(roots.as_bytes()).expect("a root"))
            .identity(reqwest::Identity::from_pem(pem.as_bytes()).expect("an identity"))
            .build()
            .expect("a client");
        let outbound = Outbound::builder(http).bind(&world.url, source.connection(settings)).build().expect("bound");
        let answer = outbound.send(outbound.client().get(format!("{}/who", world.url))).await;
        answer.map(|answer| answer.status().as_u16()).map_err(|error| error.oauth_error().map(str::to_owned))
    };
    assert_eq!(call(&own).await, Ok(200));
    assert_eq!(call(&other).await, Err(Some("invalid_client".to_owned())));
}

/// Failures count by address behind a `TlsListener` too.
#[tokio::test]
async fn s8_27_wrong_secrets_are_counted_by_the_address_of_the_tls_connection() {
    let own = Identity::own();
    let world = World::start(&own).await;
    let wrong = |at: usize| format!("client_id=bound&client_secret=wrong-heron-lifts-{at}");
    let mut statuses = Vec::new();
    for at in 0..12 {
        statuses.push(world.token(Some(&own), &wrong(at), &["--interface", "127.0.0.2"]).await.0);
    }
    assert!(statuses.starts_with(&[401]) && statuses.ends_with(&[429]), "{statuses:?}");
    assert_eq!(world.token(Some(&own), &wrong(12), &["--interface", "127.0.0.3"]).await.0, 401, "another address");
    assert_eq!(world.token(Some(&own), &format!("client_id=bound&client_secret={SECRET}"), &[]).await.0, 200);
}
