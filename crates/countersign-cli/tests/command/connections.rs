//! The flags for authorities, client certificates and proxies, against a TLS server with a private authority on loopback.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use crate::run::{TempFile, countersign, countersign_with, file};
use countersign_test::TestIssuer;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use serde_json::json;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority")
}

fn certificate(authority: &Authority, usage: ExtendedKeyUsagePurpose) -> (rcgen::Certificate, KeyPair) {
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned(), "id.example".to_owned()]).expect("parameters");
    params.extended_key_usages = vec![usage];
    let key = KeyPair::generate().expect("a key");
    (params.signed_by(&key, authority).expect("signed"), key)
}

fn head(stream: &mut impl Read) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    Some(String::from_utf8_lossy(&head).to_ascii_lowercase())
}

/// A provider and service over TLS that asks for a certificate of `clients`; returns its issuer.
fn provider(servers: &Authority, clients: &Authority) -> TestIssuer {
    let mut roots = RootCertStore::empty();
    roots.add(clients.der().clone()).expect("a root");
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().expect("a verifier");
    let (own, key) = certificate(servers, ExtendedKeyUsagePurpose::ServerAuth);
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder().with_client_cert_verifier(verifier);
    let config = Arc::new(config.with_single_cert(vec![own.der().clone()], key).expect("a configuration"));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    let issuer = TestIssuer::with_system_clock().with_name(&url);
    let signed = issuer.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (config, signed, url) = (Arc::clone(&config), signed.clone(), url.clone());
            thread::spawn(move || {
                let mut stream = StreamOwned::new(ServerConnection::new(config).expect("a session"), stream);
                let Some(head) = head(&mut stream) else { return };
                let (status, body) = match head.split(' ').nth(1).unwrap_or_default() {
                    "/keys" => ("200 OK", signed.jwks()),
                    "/.well-known/openid-configuration" => {
                        ("200 OK", json!({ "issuer": url, "jwks_uri": format!("{url}/keys") }).to_string())
                    }
                    "/token" => ("200 OK", json!({ "access_token": "fetched", "token_type": "Bearer" }).to_string()),
                    _ => ("418 I'm a teapot", String::new()),
                };
                let length = body.len();
                let response =
                    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
                let _ = stream.write_all(response.as_bytes());
                stream.conn.send_close_notify();
                let _ = stream.flush();
            });
        }
    });
    issuer
}

/// A proxy that connects everything to `address`; returns its own address.
fn proxy_to(address: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let own = listener.local_addr().expect("an address").to_string();
    let address = address.to_owned();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let is_user = head(&mut client).is_some_and(|head| head.contains("proxy-authorization: basic "));
            let Ok(server) = TcpStream::connect(&address) else { return };
            let status = if is_user { "200 Connected" } else { "407 Who" };
            let _ = client.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes());
            let streams = (client.try_clone().expect("a stream"), server.try_clone().expect("a stream"));
            thread::spawn(move || std::io::copy(&mut { client }, &mut { server }));
            let (mut client, mut server) = streams;
            thread::spawn(move || std::io::copy(&mut server, &mut client));
        }
    });
    own
}

struct Files {
    roots: TempFile,
    certificate: TempFile,
    key: TempFile,
}

impl Files {
    fn new(servers: &Authority, clients: &Authority) -> Self {
        let (own, key) = certificate(clients, ExtendedKeyUsagePurpose::ClientAuth);
        Files {
            roots: file("ca.pem", &servers.pem()),
            certificate: file("tls.crt", &own.pem()),
            key: file("tls.key", &key.serialize_pem()),
        }
    }

    fn roots(&self) -> [&str; 3] {
        ["--roots", self.roots.path(), "--only-added-roots"]
    }

    fn all(&self) -> Vec<&str> {
        let own = ["--certificate", self.certificate.path(), "--certificate-key", self.key.path()];
        self.roots().into_iter().chain(own).collect()
    }
}

/// S4.29: each command that connects trusts the authorities of the flags, and no others by itself.
#[test]
fn s4_29_every_command_that_connects_takes_authorities_and_a_certificate() {
    let (servers, clients) = (authority(), authority());
    let issuer = provider(&servers, &clients);
    let (url, files) = (issuer.name().to_owned(), Files::new(&servers, &clients));
    let (keys, endpoint, guarded) = (format!("{url}/keys"), format!("{url}/token"), format!("{url}/orders"));
    let token = issuer.token().audience("orders").sign();
    let named = ["--issuer", &url, "--audience", "orders"];
    let verify = [&["verify", "-", "--discover"], named.as_slice()].concat();
    let explain =
        ["explain", "--no-token", "--issuer", "https://id.example", "--audience", "orders", "--curl", &guarded];
    for (arguments, input, code, expected) in [
        (vec!["keys", "check", &url], "", 0, "1 usable"),
        (vec!["keys", "check", &keys], "", 0, "1 usable"),
        (vec!["keys", "watch", &keys, "--count", "1"], "", 0, "first"),
        (verify, token.as_str(), 0, "ACCEPTED"),
        (["verify", "-", "--jwks", &keys].into_iter().chain(named).collect(), &token, 0, "ACCEPTED"),
        (vec!["token", "get", "--endpoint", &endpoint, "--client", "a"], "", 0, "fetched"),
        (explain.to_vec(), "", 1, "418"),
        (vec!["attack", &guarded], "", 3, "the valid token was answered with 418"),
    ] {
        let run = |flags: &[&str]| {
            let secret = [("COUNTERSIGN_CLIENT_SECRET", "s3cret")];
            let home = file("home", "");
            std::fs::remove_file(home.path()).expect("removed");
            let variables = [secret[0], ("COUNTERSIGN_HOME", home.path())];
            let output = countersign_with(&[arguments.as_slice(), flags].concat(), input, &variables);
            let _ = std::fs::remove_dir_all(home.path());
            (output.code, format!("{}{}", output.stdout, output.stderr))
        };
        let (_, shown) = run(&[]);
        assert!(shown.contains("certificate not trusted: unknown authority"), "{arguments:?}: {shown}");
        let (_, shown) = run(&files.roots());
        assert!(shown.contains("the server requires a client certificate"), "{arguments:?}: {shown}");
        let (found, shown) = run(&files.all());
        assert!(found == code && shown.contains(expected), "{arguments:?}: {found} {shown}");
    }

    // The flags go before the table of the policy, which `verify` reads as services do.
    let policy = |roots: &str| {
        let own = json!({ "certificate_file": files.certificate.path(), "key_file": files.key.path(), "roots_files": [roots] });
        let issuers = json!([{ "issuer": url, "audience": "orders" }]);
        file("policy.json", &json!({ "issuers": issuers, "connection": own }).to_string())
    };
    let (right, wrong) = (policy(files.roots.path()), policy(files.certificate.path()));
    assert_eq!(countersign(&["verify", "-", "--policy", right.path()], &token).code, 0);
    assert_eq!(countersign(&["verify", "-", "--discover", "--policy", right.path()], &token).code, 0);
    assert_eq!(countersign(&["keys", "check", "--policy", right.path()], "").code, 0);
    let routes = ["explain", "--path", "/", "-", "--policy"];
    assert_eq!(countersign(&[&routes[..], &[right.path()]].concat(), &token).code, 0);
    for command in [
        &["keys", "check", "--policy", wrong.path()][..],
        &["verify", "-", "--policy", wrong.path()],
        &["verify", "-", "--discover", "--policy", wrong.path()],
        &[&routes[..], &[wrong.path()]].concat(),
        &[&routes[..], &[wrong.path(), "--discover"]].concat(),
    ] {
        let output = countersign(command, &token);
        assert_eq!(output.code, 3, "{command:?}: {}", output.stdout);
        assert!(output.stdout.contains("certificate not trusted"), "{command:?}: {}", output.stdout);
    }
    let over = [&["verify", "-", "--policy", wrong.path()], files.all().as_slice()].concat();
    assert_eq!(countersign(&over, &token).code, 0);
}

#[test]
fn a_proxy_is_used_and_its_password_is_neither_an_argument_nor_shown() {
    let (servers, clients) = (authority(), authority());
    let issuer = provider(&servers, &clients);
    let files = Files::new(&servers, &clients);
    let proxy = proxy_to(issuer.name().trim_start_matches("https://"));
    let run = |flags: &[&str]| {
        let arguments = [&["keys", "check", "https://id.example/keys"], files.all().as_slice(), flags].concat();
        let url = format!("http://user:s3cret-value@{proxy}");
        let output = countersign_with(&arguments, "", &[("A_PROXY", &url), ("HTTPS_PROXY", "http://127.0.0.1:1")]);
        let shown = format!("{}{}", output.stdout, output.stderr);
        assert!(!shown.contains("s3cret-value"), "{shown}");
        (output.code, shown)
    };
    assert_eq!(run(&["--proxy-env", "A_PROXY"]).0, 0);
    for (flags, code, expected) in [
        (vec!["--proxy", &format!("http://{proxy}")], 3, "it requires a user and a password"),
        (vec!["--proxy", "none"], 3, "host name not found"),
        (vec![], 3, "proxy failed: it refused the connection"),
        (vec!["--proxy", "http://user:s3cret-value@proxy"], 2, "--proxy-env"),
        (vec!["--proxy-env", "COUNTERSIGN_UNSET"], 2, "COUNTERSIGN_UNSET"),
    ] {
        let (found, shown) = run(&flags);
        assert!(found == code && shown.contains(expected), "{flags:?}: {found} {shown}");
    }
}

#[test]
fn a_fault_names_the_file_and_never_its_contents() {
    let (secret, own) = (file("no.pem", "no certificate: s3cret-value"), authority());
    let good = file("ca.pem", &own.pem());
    for (flags, expected) in [
        (vec!["--roots", "/not/there.pem"], "no such file: /not/there.pem"),
        (vec!["--roots", secret.path()], "have no certificate in PEM form"),
        (vec!["--certificate", good.path(), "--certificate-key", secret.path()], "is not PEM"),
    ] {
        for command in [
            vec!["keys", "check", "https://127.0.0.1:1"],
            vec!["attack", "https://127.0.0.1:1"],
            vec!["verify", "e30.e30.", "--issuer", "https://127.0.0.1:1", "--audience", "a"],
        ] {
            let output = countersign(&[command.as_slice(), &flags].concat(), "");
            let shown = format!("{}{}", output.stdout, output.stderr);
            assert!(shown.contains(expected) && shown.contains(flags.last().expect("a file")), "{command:?} {shown}");
            assert!(output.code != 0 && !shown.contains("s3cret-value"), "{shown}");
        }
    }
    let without_key = countersign(&["keys", "check", "https://127.0.0.1:1", "--certificate", good.path()], "");
    assert!(without_key.code == 2 && without_key.stderr.contains("--certificate-key"), "{}", without_key.stderr);
}
