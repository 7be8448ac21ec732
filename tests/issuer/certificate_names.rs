//! Clients that a name in their certificate authenticates (`tls_client_auth`, RFC 8705 §2.1). CONFORMANCE S6.21 to S6.23, S8.06.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use countersign::proof::{MutualTls, PeerCertificate, ReadCertificateLayer, TlsPeer, VerifiedCertificate};
use countersign::secret::Secret;
use countersign::tls::{ClientCertificates, TlsListener, TlsSettings};
use countersign_issuer::{Audience, CertificateName, Client, Issuer, IssuerBuilder};
use rcgen::string::Ia5String;
use rcgen::{CertificateParams, DnType, DnValue, KeyPair, SanType};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::process::Command;
use tower::ServiceExt;

use crate::direct::CC;
use crate::dpop::{Answer, World};
use crate::service::{SECRET, shop};

const SUBJECT: &str = "CN=orders\\, eu,OU=a+OU=b,O=Müller & Söhne,C=DE";

fn clients(builder: IssuerBuilder) -> IssuerBuilder {
    let names = [
        ("dn", CertificateName::subject_dn(SUBJECT)),
        ("dns", CertificateName::dns("orders.shop.example")),
        ("uri", CertificateName::uri("spiffe://shop.example/orders")),
        ("email", CertificateName::email("Orders@shop.example")),
        ("v4", CertificateName::ip(IpAddr::from([10, 0, 0, 7]))),
        ("v6", CertificateName::ip("2001:db8::7".parse().expect("an address"))),
    ];
    names.into_iter().fold(shop(builder), |builder, (id, name)| {
        builder.add_client(Client::new(id).certificate_name(name).audiences(["billing"]))
    })
}

fn ia5(text: &str) -> Ia5String {
    text.try_into().expect("ASCII")
}

/// A certificate with these alternative names and the subject of `dn`, or with another one.
fn certificate(names: Vec<SanType>, subject: &[(DnType, &str)]) -> Vec<u8> {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.subject_alt_names = names;
    params.distinguished_name = rcgen::DistinguishedName::new();
    for (kind, value) in subject {
        params.distinguished_name.push(kind.clone(), *value);
    }
    let key = KeyPair::generate().expect("a key");
    params.self_signed(&key).expect("signed").der().to_vec()
}

impl World {
    /// Asks as `client`, with a certificate whose chain was verified or not.
    async fn ask_verified(&self, client: &str, der: &[u8], is_verified: bool) -> Answer {
        let mut request = self.request("", &[], &format!("{CC}&client_id={client}"));
        request.extensions_mut().insert(PeerCertificate::from_der(der));
        if is_verified {
            request.extensions_mut().insert(VerifiedCertificate::from_verified_der(der));
        }
        Answer::of(self.issuer.router().oneshot(request).await.expect("infallible")).await
    }
}

#[tokio::test]
async fn s8_06_a_name_counts_only_in_a_certificate_whose_chain_was_verified() {
    let world = World::with(clients);
    let ip = |text: &str| SanType::IpAddress(text.parse().expect("an address"));
    let right = [
        ("dns", SanType::DnsName(ia5("orders.shop.example"))),
        ("dns", SanType::DnsName(ia5("ORDERS.Shop.example"))),
        ("uri", SanType::URI(ia5("spiffe://shop.example/orders"))),
        ("email", SanType::Rfc822Name(ia5("Orders@SHOP.example"))),
        ("v4", ip("10.0.0.7")),
        ("v6", ip("2001:db8:0::7")),
    ];
    for (client, name) in right {
        let der = certificate(vec![SanType::DnsName(ia5("another.example")), name.clone()], &[]);
        world.ask_verified(client, &der, true).await.token_of(None, None);
        world.ask_verified(client, &der, false).await.assert_not_authenticated();
        for other in
            ["dn", "dns", "uri", "email", "v4", "v6", "orders", "unknown"].into_iter().filter(|id| *id != client)
        {
            world.ask_verified(other, &der, true).await.assert_not_authenticated();
        }
    }
    let wrong = [
        ("dns", SanType::DnsName(ia5("*.shop.example"))),
        ("dns", SanType::DnsName(ia5("orders.shop.example."))),
        ("dns", SanType::DnsName(ia5("a.orders.shop.example"))),
        ("dns", SanType::URI(ia5("orders.shop.example"))),
        ("uri", SanType::URI(ia5("spiffe://shop.example/Orders"))),
        ("uri", SanType::URI(ia5("spiffe://shop.example/orders/"))),
        ("uri", SanType::DnsName(ia5("spiffe://shop.example/orders"))),
        ("email", SanType::Rfc822Name(ia5("orders@shop.example"))),
        ("email", SanType::Rfc822Name(ia5("x@Orders@shop.example"))),
        ("v4", ip("::ffff:10.0.0.7")),
        ("v4", SanType::DnsName(ia5("10.0.0.7"))),
        ("v6", ip("2001:db8::8")),
    ];
    for (client, name) in wrong {
        world.ask_verified(client, &certificate(vec![name], &[]), true).await.assert_not_authenticated();
    }
    // The common name is no alternative name.
    let common = certificate(Vec::new(), &[(DnType::CommonName, "orders.shop.example")]);
    world.ask_verified("dns", &common, true).await.assert_not_authenticated();
    world.ask_verified("dns", b"no certificate", true).await.assert_not_authenticated();
}

#[tokio::test]
async fn s8_06_a_verified_certificate_that_is_not_that_of_the_connection_does_not_count() {
    let world = World::with(clients);
    let right = certificate(vec![SanType::DnsName(ia5("orders.shop.example"))], &[]);
    let own = certificate(vec![SanType::DnsName(ia5("thief.example"))], &[]);
    for connection in [None, Some(&own)] {
        let mut request = world.request("", &[], &format!("{CC}&client_id=dns"));
        connection.map(|der| request.extensions_mut().insert(PeerCertificate::from_der(der)));
        request.extensions_mut().insert(VerifiedCertificate::from_verified_der(&right));
        Answer::of(world.issuer.router().oneshot(request).await.expect("infallible")).await.assert_not_authenticated();
    }
}

#[tokio::test]
async fn s8_06_an_expired_certificate_of_a_resumed_connection_does_not_count() {
    let world = World::with(clients);
    let mut params = CertificateParams::new(vec!["orders.shop.example".to_owned()]).expect("parameters");
    let key = KeyPair::generate().expect("a key");
    for (years, is_valid) in [((2020, 2096), true), ((2020, 2021), false), ((2095, 2096), false)] {
        params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
        let der = params.clone().self_signed(&key).expect("signed").der().to_vec();
        let answer = world.ask_verified("dns", &der, true).await;
        assert_eq!(answer.status.is_success(), is_valid, "{years:?} {answer:?}");
    }
}

#[tokio::test]
async fn s8_06_a_subject_is_compared_as_a_whole_and_by_its_values() {
    let parts = |common: &'static str| {
        [(DnType::CountryName, "DE"), (DnType::OrganizationName, "Müller & Söhne"), (DnType::CommonName, common)]
    };
    let world = World::with(|builder| {
        let client = |id: &str, name: &str| Client::new(id).certificate_name(CertificateName::subject_dn(name));
        clients(builder)
            .add_client(client("plain", "CN=orders,O=Müller & Söhne,C=DE").audiences(["billing"]))
            .add_client(client("comma", "CN=orders\\,O=Müller & Söhne,C=DE").audiences(["billing"]))
    });
    world.ask_verified("plain", &certificate(Vec::new(), &parts("orders")), true).await.token_of(None, None);
    world.ask_verified("plain", &certificate(Vec::new(), &parts("orders")), false).await.assert_not_authenticated();
    // A value that looks like several parts, and the other way around.
    let one = [(DnType::CountryName, "DE"), (DnType::CommonName, "orders,O=Müller & Söhne")];
    world.ask_verified("plain", &certificate(Vec::new(), &one), true).await.assert_not_authenticated();
    world.ask_verified("comma", &certificate(Vec::new(), &one), true).await.token_of(None, None);
    world.ask_verified("comma", &certificate(Vec::new(), &parts("orders")), true).await.assert_not_authenticated();
    let mut reversed = parts("orders");
    reversed.reverse();
    let shorter = &parts("orders")[1..];
    let longer = [&parts("orders")[..], &[(DnType::LocalityName, "Köln")]].concat();
    let others = [&reversed[..], shorter, &longer, &parts("Orders"), &parts("orders "), &parts("orders\0"), &[]];
    for subject in others {
        world.ask_verified("plain", &certificate(Vec::new(), subject), true).await.assert_not_authenticated();
    }
    // A string of another kind, whose bytes would be the same text in an older encoding.
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, DnValue::BmpString("orders".try_into().expect("text")));
    let der = params.self_signed(&KeyPair::generate().expect("a key")).expect("signed").der().to_vec();
    world.ask_verified("plain", &der, true).await.assert_not_authenticated();
}

#[test]
fn s8_17_a_name_that_can_match_nothing_is_a_fault() {
    let build = |client: Client| {
        let builder = Issuer::builder("https://sts.test").add_audience(Audience::new("billing"));
        builder.add_client(client.audiences(["billing"])).build().map(|_| ()).map_err(|error| error.to_string())
    };
    let named = |name| build(Client::new("orders").certificate_name(name));
    for name in [
        CertificateName::subject_dn(""),
        CertificateName::subject_dn("orders"),
        CertificateName::subject_dn("CN=orders,"),
        CertificateName::subject_dn("NOTHING=orders"),
        CertificateName::dns(""),
        CertificateName::dns("*.shop.example"),
        CertificateName::dns("örders.example"),
        CertificateName::uri("orders"),
        CertificateName::uri("://x"),
        CertificateName::email("orders"),
        CertificateName::email("@shop.example"),
    ] {
        let error = named(name.clone()).expect_err("not usable");
        assert!(error.contains("certificate_name: not a"), "{name:?}: {error}");
    }
    let own = PeerCertificate::from_der(b"own").thumbprint();
    let both = Client::new("orders").certificates([own]).certificate_name(CertificateName::dns("orders.example"));
    assert!(build(both).expect_err("two ways").contains("set beside certificates"));
    named(CertificateName::subject_dn(SUBJECT)).expect("sound");
    named(CertificateName::dns("orders.example")).expect("sound, without a secret");
}

#[tokio::test]
async fn s8_18_the_metadata_names_the_method_if_a_client_uses_it() {
    for (settings, expected) in [(clients as fn(IssuerBuilder) -> IssuerBuilder, true), (shop, false)] {
        let metadata = crate::certificates::metadata(&World::with(settings).issuer).await;
        for endpoint in ["token", "introspection", "revocation"] {
            let methods = &metadata[format!("{endpoint}_endpoint_auth_methods_supported")];
            let has = |name: &str| methods.as_array().expect("a list").contains(&json!(name));
            assert_eq!((has("tls_client_auth"), has("self_signed_tls_client_auth")), (expected, false), "{metadata}");
        }
    }
}

/// An issuer over TLS, and certificates that OpenSSL made.
struct Served {
    url: String,
    folder: PathBuf,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Runs a script of OpenSSL commands in `folder`.
async fn openssl(folder: &Path, script: &str) {
    let output = Command::new("sh").args(["-euc", script]).current_dir(folder).output().await.expect("sh runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// An authority, another one, the server's certificate, and one of each for the client: signed by either, and self-signed.
const CERTIFICATES: &str = r#"
new="openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -utf8"
subject="/C=DE/O=Müller & Söhne/CN=orders, eu"
names="subjectAltName=DNS:orders.shop.example,URI:spiffe://shop.example/orders,email:Orders@shop.example,IP:10.0.0.7"
for authority in good bad; do
    $new -keyout $authority.key -out $authority.pem -subj "/CN=$authority" -addext basicConstraints=critical,CA:TRUE
    $new -CA $authority.pem -CAkey $authority.key -keyout of-$authority.key -out of-$authority.pem -subj "$subject" \
        -addext "$names" -addext basicConstraints=critical,CA:FALSE
done
$new -keyout self.key -out self.pem -subj "$subject" -addext "$names" -addext basicConstraints=critical,CA:FALSE
$new -CA good.pem -CAkey good.key -keyout server.key -out server.pem -subj /CN=localhost -addext subjectAltName=DNS:localhost \
    -addext basicConstraints=critical,CA:FALSE
openssl x509 -in of-good.pem -noout -subject -nameopt RFC2253,utf8,-esc_msb | sed 's/^subject=//' | tr -d '\n' > subject.txt
"#;

impl Served {
    /// Takes certificates that `good` signed, or any.
    async fn start(verifies_chains: bool) -> Self {
        let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = tcp.local_addr().expect("bound").port();
        let folder = std::env::temp_dir().join(format!("countersign-names-{port}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        openssl(&folder, CERTIFICATES).await;
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("written");
        let url = format!("https://localhost:{port}");
        let client = |id: &str, name| Client::new(id).certificate_name(name).audiences(["billing"]);
        let issuer = Issuer::builder(&url)
            .add_audience(Audience::new("billing"))
            .add_client(
                client("dn", CertificateName::subject_dn(read("subject.txt"))).certificate_bound_access_tokens(),
            )
            .add_client(client("dns", CertificateName::dns("orders.shop.example")))
            .add_client(client("uri", CertificateName::uri("spiffe://shop.example/orders")))
            .add_client(client("email", CertificateName::email("Orders@shop.example")))
            .add_client(client("ip", CertificateName::ip(IpAddr::from([10, 0, 0, 7]))))
            .add_client(client("other", CertificateName::dns("other.shop.example")))
            .add_client(Client::new("secret").secret(Secret::from(SECRET)).audiences(["billing"]))
            .build()
            .expect("sound");
        let layer = ReadCertificateLayer::new(MutualTls::of_connection()).expect("a layer");
        let clients = match verifies_chains {
            true => ClientCertificates::SignedBy(read("good.pem")),
            false => ClientCertificates::Any,
        };
        let settings =
            TlsSettings::new(&read("server.pem"), &Secret::new(read("server.key")), clients).expect("settings");
        let app = issuer.router().layer(layer).into_make_service_with_connect_info::<TlsPeer>();
        let listener = TlsListener::new(tcp, settings);
        let task = tokio::spawn(async move { axum::serve(listener, app).await.expect("serves") });
        Served { url, folder, task }
    }

    /// The status that curl gets with this certificate, as this client; 0 if the server refuses the handshake.
    async fn ask(&self, certificate: &str, form: &str, more: &[&str]) -> u16 {
        let mut command = Command::new("curl");
        command
            .args(["--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--cacert", "good.pem"])
            .args(more);
        if !certificate.is_empty() {
            command.args(["--cert", &format!("{certificate}.pem"), "--key", &format!("{certificate}.key")]);
        }
        let form = format!("grant_type=client_credentials&{form}");
        command.args(["--data", &form, &format!("{}/token", self.url)]).current_dir(&self.folder);
        let output = command.output().await.expect("curl runs");
        String::from_utf8(output.stdout).expect("text").parse().expect("a status")
    }
}

#[tokio::test]
async fn s6_21_s6_23_curl_with_a_certificate_of_openssl_is_the_client_of_its_name() {
    let served = Served::start(true).await;
    for client in ["dn", "dns", "uri", "email", "ip"] {
        let form = format!("client_id={client}");
        for version in [&["--http1.1"][..], &["--http2"], &["--tls-max", "1.2"]] {
            assert_eq!(served.ask("of-good", &form, version).await, 200, "{client}");
        }
        for refused in ["of-bad", "self"] {
            assert_eq!(served.ask(refused, &form, &[]).await, 0, "{client}: no handshake with {refused}");
        }
        assert_eq!(served.ask("", &form, &[]).await, 401, "{client}: no certificate");
    }
    assert_eq!(served.ask("of-good", "client_id=other", &[]).await, 401);
    assert_eq!(served.ask("", &format!("client_id=secret&client_secret={SECRET}"), &[]).await, 200);
    let encoded = "Client-Cert: :MAMBAgM=:";
    assert_eq!(served.ask("", "client_id=dns", &["--header", encoded]).await, 401, "a header of the client");
}

#[tokio::test]
async fn s6_21_where_any_certificate_is_taken_no_name_counts() {
    let served = Served::start(false).await;
    for certificate in ["of-good", "of-bad", "self"] {
        for client in ["dn", "dns", "uri", "email", "ip"] {
            assert_eq!(
                served.ask(certificate, &format!("client_id={client}"), &[]).await,
                401,
                "{certificate} {client}"
            );
        }
        let by_secret = format!("client_id=secret&client_secret={SECRET}");
        assert_eq!(served.ask(certificate, &by_secret, &[]).await, 200, "the connection itself is fine");
    }
}

#[tokio::test]
async fn s6_22_a_certificate_from_a_proxy_counts_only_with_its_statement() {
    use axum::extract::ConnectInfo;
    let world = World::with(clients);
    let der = certificate(vec![SanType::DnsName(ia5("orders.shop.example"))], &[]);
    let header = format!(":{}:", base64_simd::STANDARD.encode_to_string(&der));
    let ask = async |mutual_tls: MutualTls, peer: &str, lines: usize| {
        let layer = ReadCertificateLayer::new(mutual_tls).expect("a layer");
        let mut request = world.request("", &[], &format!("{CC}&client_id=dns"));
        for _ in 0..lines {
            request.headers_mut().append("client-cert", header.parse().expect("a value"));
        }
        let peer: std::net::SocketAddr = format!("{peer}:4711").parse().expect("an address");
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(VerifiedCertificate::from_verified_der(&der)); // of the proxy's own connection
        world.issuer.router().layer(layer).oneshot(request).await.expect("infallible").status().as_u16()
    };
    let proxies = || MutualTls::from_proxies(["10.0.0.5"]);
    assert_eq!(ask(proxies().verified_by_proxy(), "10.0.0.5", 1).await, 200);
    assert_eq!(ask(proxies(), "10.0.0.5", 1).await, 401, "without the statement");
    assert_eq!(ask(proxies().verified_by_proxy(), "10.0.0.6", 1).await, 401, "from somebody else");
    assert_eq!(ask(proxies().verified_by_proxy(), "10.0.0.5", 2).await, 400, "two headers");
    assert_eq!(ask(proxies().verified_by_proxy(), "10.0.0.5", 0).await, 401, "none");
    for misstated in [MutualTls::of_connection(), MutualTls::from_envoy(["10.0.0.5"])] {
        let error =
            ReadCertificateLayer::new(misstated.verified_by_proxy()).map(|_| ()).expect_err("a fault").to_string();
        assert!(error.contains("verified_by_proxy"), "{error}");
    }
}
