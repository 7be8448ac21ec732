//! A client that its TLS certificate speaks for (RFC 8705 §2), over a real handshake.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use countersign::clock::SystemClock;
use countersign::connection::ConnectionSettings;
use countersign::outbound::{ClientCredentials, OutboundContext, OutboundError, TokenRequest, TokenSource};
use countersign::secret::Secret;
use countersign_tests::authority::{self, Authority};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// An authority of the same name as all others.
pub fn authority() -> Authority {
    authority::authority("Shop")
}

/// A certificate of `authority` and its key.
fn certificate(authority: &Authority, name: &str, usage: ExtendedKeyUsagePurpose) -> (rcgen::Certificate, KeyPair) {
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
    params.extended_key_usages = vec![usage];
    let key = KeyPair::generate().expect("a key");
    (params.signed_by(&key, authority).expect("signed"), key)
}

/// A service at `https://localhost` that answers 200 to every request, each on a connection of its own.
pub async fn service(authority: &Authority) -> String {
    let (own, key) = certificate(authority, "localhost", ExtendedKeyUsagePurpose::ServerAuth);
    let chain: Vec<CertificateDer<'static>> = vec![own.der().clone()];
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).expect("a configuration");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("https://localhost:{}", listener.local_addr().expect("an address").port());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let Ok(byte) = stream.read_u8().await else { break };
                head.push(byte);
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
            let _ = stream.shutdown().await;
        }
    });
    url
}

/// A token service that lets nobody in without a certificate of `clients`; it counts the requests that it read. It offers HTTP/2,
/// and speaks only HTTP/1.1.
async fn token_service(authority: &Authority, clients: &Authority) -> (String, Arc<AtomicUsize>) {
    let mut roots = RootCertStore::empty();
    roots.add(clients.der().clone()).expect("a root");
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().expect("a verifier");
    let (own, key) = certificate(authority, "localhost", ExtendedKeyUsagePurpose::ServerAuth);
    let chain: Vec<CertificateDer<'static>> = vec![own.der().clone()];
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder().with_client_cert_verifier(verifier).with_single_cert(chain, key);
    let mut config = config.expect("a configuration");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("https://localhost:{}/token", listener.local_addr().expect("an address").port());
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, counter) = (acceptor.clone(), Arc::clone(&counter));
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut request = Vec::new();
                while !request.ends_with(b"client_id=orders") {
                    let mut buffer = [0; 1024];
                    let Ok(read @ 1..) = stream.read(&mut buffer).await else { return };
                    request.extend_from_slice(&buffer[..read]);
                }
                assert!(!String::from_utf8_lossy(&request).to_ascii_lowercase().contains("authorization"), "S7.03");
                counter.fetch_add(1, Ordering::SeqCst);
                let body = r#"{"access_token":"by-certificate","token_type":"Bearer","expires_in":60}"#;
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    (url, count)
}

async fn ask(
    url: &str,
    trusted: &Authority,
    identity: Option<(rcgen::Certificate, KeyPair)>,
) -> Result<(), OutboundError> {
    let mut settings = ConnectionSettings::new().add_roots(trusted.pem()).only_added_roots();
    let mut source = ClientCredentials::from_token_endpoint(url).client("orders", String::from("s3cret"));
    if let Some((certificate, key)) = identity {
        settings = settings.certificate(certificate.pem(), Secret::from(key.serialize_pem()));
        source = source.client_certificate("orders");
    }
    let source = source.connection(settings);
    let faults = source.attach(&OutboundContext::new(Arc::new(SystemClock)));
    assert!(faults.is_empty(), "{faults:?}");
    let token = source.token(&TokenRequest::default()).await?;
    assert!(!format!("{token:?}").contains("by-certificate"));
    Ok(())
}

#[tokio::test]
async fn s7_03_a_certificate_is_the_proof_and_none_or_another_gets_no_token() {
    let (servers, clients, strangers) = (authority(), authority(), authority::authority("Strangers"));
    let (url, count) = token_service(&servers, &clients).await;
    let own = |authority: &Authority| certificate(authority, "orders", ExtendedKeyUsagePurpose::ClientAuth);
    ask(&url, &servers, Some(own(&clients))).await.expect("a token");
    assert_eq!(count.load(Ordering::SeqCst), 1);
    for (reason, trusted, identity) in [
        ("TLS handshake failed: the server requires a client certificate", &servers, None),
        ("TLS handshake failed: the server refused the client certificate", &servers, Some(own(&strangers))),
        ("TLS handshake failed: the server cannot verify a signature", &servers, Some(own(&servers))),
        ("certificate not trusted: unknown authority", &strangers, Some(own(&clients))),
    ] {
        let error = ask(&url, trusted, identity).await.expect_err(reason);
        assert_eq!(error.code(), "token_unavailable", "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    }
    assert_eq!(count.load(Ordering::SeqCst), 1, "no other request was read");
}
