//! Secrets and keys in files that change.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use countersign::key::Algorithm;
use countersign::mint::Signer;
use countersign::outbound::{Assertion, ClientCredentials, TokenRequest, TokenSource};
use countersign::secret::Secret;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::Value;

use crate::calls::Recorder;
use crate::servers::{Server, granted, json};

/// A file of this test, removed at its end.
struct File(PathBuf);

impl File {
    fn new(name: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        File(std::env::temp_dir().join(format!("countersign-{name}-{}-{number}", std::process::id())))
    }

    fn write(&self, text: &str) {
        std::fs::write(&self.0, text).expect("written");
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
        let _ = std::fs::remove_dir(&self.0);
    }
}

fn sent_secret(server: &Server) -> String {
    let body = server.seen().last().expect("a request").body.clone();
    body.split('&').find_map(|pair| pair.strip_prefix("client_secret=")).expect("a secret").to_owned()
}

#[tokio::test]
async fn s7_03_a_secret_in_a_file_is_read_again_and_the_last_good_one_is_used_while_it_cannot_be() {
    let (recorder, _guard) = Recorder::begin();
    let (file, issuer) = (File::new("secret"), Server::issuing().await);
    let source = ClientCredentials::from_token_endpoint(&issuer.url).client("orders", Secret::from_file(&file.0));
    let source = source.client_secret_post();
    let token = async || source.token(&TokenRequest::default()).await;
    let error = token().await.expect_err("no file yet");
    assert_eq!((error.code(), error.is_transient(), issuer.count()), ("token_unavailable", true, 0));
    assert!(error.to_string().contains("the secret file cannot be read"), "{error}");
    for (written, expected) in
        [("first-secret\n", "first-secret"), ("second-secret", "second-secret"), ("", "second-secret")]
    {
        file.write(written);
        token().await.expect("a token");
        assert_eq!(sent_secret(&issuer), expected);
    }
    std::fs::remove_file(&file.0).expect("removed");
    std::fs::create_dir(&file.0).expect("a folder in its place");
    for _ in 0..3 {
        token().await.expect("a token");
        assert_eq!(sent_secret(&issuer), "second-secret");
    }
    let recorded = recorder.text();
    assert_eq!(recorded.matches("secret or key file is unusable").count(), 2, "once before, once after: {recorded}");
    assert_eq!(recorded.matches("secret or key file changed").count(), 1);
    assert!(!recorded.contains("first-secret") && !recorded.contains("second-secret"));
    assert!(!format!("{source:?}").contains("second-secret"));
}

#[tokio::test]
async fn s7_14_a_client_refused_after_a_rotation_is_tried_once_more_with_the_new_secret() {
    // The file changes while the first request is on its way; later on it does not, and the refusal stands.
    let file = Arc::new(File::new("rotated"));
    file.write("old");
    let rotating = Arc::clone(&file);
    let issuer = Server::start(move |number, seen| {
        if number == 0 {
            rotating.write("new");
        }
        match seen.body.contains("client_secret=new") && number < 2 {
            true => granted("t", 0),
            false => json(401, r#"{"error":"invalid_client"}"#.into()),
        }
    })
    .await;
    let source = ClientCredentials::from_token_endpoint(&issuer.url).client("orders", Secret::from_file(&file.0));
    let source = source.client_secret_post();
    source.token(&TokenRequest::default()).await.expect("the second attempt");
    assert_eq!((issuer.count(), sent_secret(&issuer).as_str()), (2, "new"));
    let error = source.token(&TokenRequest::default()).await.expect_err("refused");
    assert_eq!((error.oauth_error(), issuer.count()), (Some("invalid_client"), 3), "no retry with the same secret");
}

#[tokio::test]
async fn s7_14_a_file_that_changes_at_each_refusal_causes_one_retry() {
    let file = Arc::new(File::new("restless"));
    file.write("start");
    let restless = Arc::clone(&file);
    let issuer = Server::start(move |number, _| {
        restless.write(&format!("secret-{number}"));
        json(401, r#"{"error":"invalid_client"}"#.into())
    })
    .await;
    let source = ClientCredentials::from_token_endpoint(&issuer.url).client("orders", Secret::from_file(&file.0));
    assert!(source.token(&TokenRequest::default()).await.is_err());
    assert_eq!(issuer.count(), 2);
}

#[tokio::test]
async fn s7_04_a_signing_key_in_a_file_is_read_again_as_it_changes() {
    let file = File::new("key");
    let seen_kids = Arc::new(Mutex::new(Vec::new()));
    let kids = Arc::clone(&seen_kids);
    let issuer = Server::start(move |_, seen| {
        let assertion = seen.body.split("client_assertion=").nth(1).expect("an assertion");
        let header = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(assertion.split('.').next().expect("a header"));
        let header: Value = serde_json::from_slice(&header.expect("base64url")).expect("JSON");
        kids.lock().expect("not poisoned").push(header["kid"].as_str().expect("a kid").to_owned());
        granted("t", 0)
    })
    .await;
    let source = ClientCredentials::from_token_endpoint(&issuer.url)
        .assertion_audience("https://id.example.com")
        .client_key_file("orders", &file.0, Algorithm::ES256);
    let mut expected = Vec::new();
    for _ in 0..2 {
        let pem = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key").serialize_pem();
        file.write(&pem);
        let kid = Signer::from_pkcs8_pem(&Secret::from(pem), Algorithm::ES256).expect("the key").key_id().to_owned();
        for _ in 0..2 {
            source.token(&TokenRequest::default()).await.expect("a token");
            expected.push(kid.clone());
        }
    }
    file.write("-----BEGIN PRIVATE KEY-----\nhalf a key");
    source.token(&TokenRequest::default()).await.expect("signed with the last good key");
    expected.push(expected[3].clone());
    assert_eq!(*seen_kids.lock().expect("not poisoned"), expected);
    assert_ne!(expected[0], expected[3]);
}

#[tokio::test]
async fn s7_04_a_certificate_is_read_again_as_it_changes_and_never_with_its_private_key() {
    let (key_file, certificate_file) = (File::new("certified-key"), File::new("certificate"));
    let issuer = Server::issuing().await;
    let assertion = Assertion::with_key_file("orders", "orders", &key_file.0, Algorithm::ES256);
    let source = ClientCredentials::from_token_endpoint(&issuer.url)
        .assertion_audience("https://id.example.com/token")
        .client_assertion("orders", assertion.certificate_file(&certificate_file.0));
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    key_file.write(&pair.serialize_pem());
    let certificate = || {
        let parameters = CertificateParams::new(["orders".to_owned()]).expect("a name");
        parameters.self_signed(&pair).expect("a certificate")
    };
    let [first, second] = [certificate(), certificate()];
    for unusable in [format!("{}{}", first.pem(), pair.serialize_pem()), pair.public_key_pem()] {
        certificate_file.write(&unusable);
        let error = source.token(&TokenRequest::default()).await.expect_err("no certificate");
        assert!(error.to_string().contains("the certificate file has no certificate"), "{error}");
    }
    assert_eq!(issuer.count(), 0);
    for (chain, expected) in [(format!("{}{}", first.pem(), second.pem()), &first), (second.pem(), &second)] {
        certificate_file.write(&chain);
        source.token(&TokenRequest::default()).await.expect("a token");
        let body = issuer.seen().last().expect("a request").body.clone();
        let header = body.split("client_assertion=").nth(1).and_then(|rest| rest.split('.').next()).expect("a header");
        let header = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(header).expect("base64url");
        let header: Value = serde_json::from_slice(&header).expect("JSON");
        let thumbprint = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, expected.der());
        let thumbprint = base64_simd::URL_SAFE_NO_PAD.encode_to_string(thumbprint.as_ref());
        assert_eq!(header, serde_json::json!({ "alg": "ES256", "typ": "JWT", "x5t#S256": thumbprint }));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_is_a_pipe_is_an_error_and_not_a_wait() {
    let file = File::new("pipe");
    let made = std::process::Command::new("mkfifo").arg(&file.0).status().expect("mkfifo");
    assert!(made.success());
    let source = ClientCredentials::from_token_endpoint("http://127.0.0.1:1").client("a", Secret::from_file(&file.0));
    let error = source.token(&TokenRequest::default()).await.expect_err("a pipe");
    assert!(error.to_string().contains("cannot be read"), "{error}");
}
