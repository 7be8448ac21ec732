//! Files that a configuration names: read whole or refused, and read again as they change.

use std::path::PathBuf;
use std::time::Duration;

use axum::http::StatusCode;
use countersign::keys::from_config;
use countersign_core::clock::{Clock, UnixTime};
use countersign_core::key::Algorithm;
use countersign_core::mint::{Draft, Signer};
use countersign_issuer::{Issuer, IssuerConfig, StoreKey};
use countersign_test::{ManualClock, TestIssuer};
use serde_json::json;

use crate::direct::{CC, post};

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("countersign-files-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a writable folder");
        Folder(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("writable");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const NAME: &str = "https://sts.test";

fn config(keys: &str) -> String {
    format!(
        "issuer = \"{NAME}\"\n[[audience]]\nname = \"billing\"\nscopes = [\"read\"]\n[[client]]\nid = \"orders\"\n\
         audiences = [\"billing\"]\nscopes = [\"read\"]\n[[federation]]\nsubjects = {{ \"shop:orders\" = \"orders\" }}\n\
         [federation.trusted]\nissuer = \"https://cluster.test\"\naudience = \"{NAME}\"\nkeys = {keys}\n"
    )
}

async fn status(issuer: &Issuer, platform: &TestIssuer) -> StatusCode {
    let token = platform.token().without_claim("client_id").subject("shop:orders").audience(NAME).sign();
    let grant = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
    post(issuer, "/token", "", &format!("grant_type={grant}&assertion={token}")).await.0
}

/// A federation's key file is read again as it changes; a broken one leaves the last good keys in use.
#[tokio::test]
async fn s4_07_a_rotated_key_file_of_a_federation_is_noticed() {
    let folder = Folder::new("federation");
    let platform = TestIssuer::new().with_name("https://cluster.test");
    folder.write("keys.json", &platform.jwks());
    let path = folder.write("issuer.toml", &config("{ file = \"keys.json\" }"));
    let config = IssuerConfig::from_file(&path).expect("readable");
    let builder = config.builder(from_config).expect("a path from the folder of the configuration");
    let issuer = builder.clock(platform.clock().clone()).build().expect("sound");
    assert_eq!(status(&issuer, &platform).await, StatusCode::OK);

    let withdrawn = platform.clone();
    platform.rotate();
    platform.withdraw_old_keys();
    folder.write("keys.json", &platform.jwks());
    platform.clock().advance(Duration::from_secs(11));
    assert_eq!(status(&issuer, &withdrawn).await, StatusCode::OK, "the new key");

    folder.write("keys.json", "not keys");
    platform.clock().advance(Duration::from_secs(11));
    assert_eq!(status(&issuer, &platform).await, StatusCode::OK, "the last good keys");
}

fn client_config(keys: &str) -> String {
    format!(
        "issuer = \"{NAME}\"\n[[audience]]\nname = \"billing\"\n[[client]]\nid = \"orders\"\npublic_keys = \"{keys}\"\n\
         audiences = [\"billing\"]\n"
    )
}

fn jwks(signer: &Signer) -> String {
    json!({ "keys": [signer.public_jwk()] }).to_string()
}

/// A client's key file is read again as it changes; a broken one leaves the last good keys in use.
#[tokio::test]
async fn s4_30_s8_19_a_replaced_key_file_of_a_client_is_noticed() {
    let folder = Folder::new("client");
    let [old, new] = [(); 2].map(|()| Signer::generate(Algorithm::ES256).expect("a key"));
    folder.write("keys.json", &jwks(&old));
    let path = folder.write("issuer.toml", &client_config("keys.json"));
    let config = IssuerConfig::from_file(&path).expect("readable");
    let clock = ManualClock::new(UnixTime::from_secs(1_700_000_000));
    let builder = config.builder(from_config).expect("a path from the folder of the configuration");
    let issuer = builder.clock(clock.clone()).build().expect("sound");
    let mut number = 0;
    let mut status = async |signer: &Signer| {
        number += 1;
        let draft = Draft::with_type("client-authentication+jwt").issuer("orders").subject("orders").audience(NAME);
        let draft = draft.expires_at(clock.now().saturating_add(Duration::from_secs(60))).token_id(number.to_string());
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let assertion = draft.sign(signer).expect("signed");
        let form = format!("{CC}&client_assertion_type={kind}&client_assertion={assertion}");
        post(&issuer, "/token", "", &form).await.0
    };
    assert_eq!(status(&old).await, StatusCode::OK);

    folder.write("keys.json", &jwks(&new));
    clock.advance(Duration::from_secs(2));
    assert_eq!(status(&new).await, StatusCode::OK, "an unknown key is looked for at once");
    assert_eq!(status(&old).await, StatusCode::SERVICE_UNAVAILABLE, "it may be newer than the last look");
    clock.advance(Duration::from_secs(2));
    assert_eq!(status(&old).await, StatusCode::UNAUTHORIZED, "the replaced key");

    folder.write("keys.json", "not keys");
    clock.advance(Duration::from_secs(11));
    assert_eq!(status(&new).await, StatusCode::OK, "the last good keys");
}

#[test]
fn faults_of_a_clients_key_file_are_reported_at_the_start() {
    let folder = Folder::new("client-faults");
    folder.write("broken.json", "not keys");
    let secret = r#"{"keys":[{"kty":"oct","k":"c29tZSBzZWNyZXQgb2YgMzIgYnl0ZXMgb3IgbW9yZQ"}]}"#;
    folder.write("secret.json", secret);
    for (keys, field) in [
        ("missing.json", "public_keys"),
        ("broken.json", "client orders: public_keys"),
        ("secret.json", "client orders: public_keys"),
    ] {
        let path = folder.write("issuer.toml", &client_config(keys));
        let config = IssuerConfig::from_file(&path).expect("readable");
        let error = config.build_with(from_config).expect_err(keys);
        assert_eq!(error.faults()[0].field, field, "{error}");
    }
    folder.write("keys.json", &jwks(&Signer::generate(Algorithm::ES256).expect("a key")));
    let path = folder.write("issuer.toml", &client_config("keys.json"));
    let error = IssuerConfig::from_file(&path).expect("readable").build().expect_err("who reads it again?");
    assert_eq!(error.faults()[0].field, "client orders: public_keys");
    assert!(error.to_string().contains("build_with"), "{error}");
}

#[test]
fn faults_of_a_key_file_are_reported_at_the_start() {
    let folder = Folder::new("faults");
    folder.write("broken.json", "not keys");
    for keys in
        ["{ file = \"missing.json\" }", "{ file = \"broken.json\" }", "{ spiffe_bundle_file = \"broken.json\" }"]
    {
        let path = folder.write("issuer.toml", &config(keys));
        let config = IssuerConfig::from_file(&path).expect("readable");
        let error = config.build_with(from_config).expect_err(keys);
        assert_eq!(error.faults()[0].field, "federation", "{error}");
    }
    let path = folder.write("issuer.toml", &config("{ file = \"broken.json\" }"));
    let _ = std::fs::write(folder.0.join("broken.json"), TestIssuer::new().jwks());
    let error = IssuerConfig::from_file(&path).expect("readable").build().expect_err("who reads it again?");
    assert!(error.to_string().contains("build_with"), "{error}");
}

#[test]
fn a_file_that_is_too_long_is_refused_and_not_cut() {
    let folder = Folder::new("long");
    let comment = format!("# {}\n", "x".repeat(1024 * 1024));
    let path = folder.write("issuer.toml", &format!("issuer = \"{NAME}\"\n{comment}deny_danger = true\n"));
    let error = IssuerConfig::from_file(&path).expect_err("too long").to_string();
    assert!(error.contains("issuer.toml") && error.contains("1048576 bytes"), "{error}");
    let key = StoreKey::generate().expect("a key");
    let path = folder.write("store.key", &format!("{}{}", key.expose(), "\n".repeat(2048)));
    #[cfg(unix)]
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("its mode");
    let error = StoreKey::from_file(&path).expect_err("too long").to_string();
    assert!(error.contains("store.key") && error.contains("1024 bytes"), "{error}");
}

/// A pipe would wait for a writer for ever, and a device may never end; links to files are followed.
#[test]
#[cfg(unix)]
fn pipes_and_devices_are_refused_and_links_are_followed() {
    let folder = Folder::new("pipe");
    let pipe = folder.0.join("pipe");
    let made = std::process::Command::new("mkfifo").arg("-m").arg("600").arg(&pipe).status();
    assert!(made.expect("mkfifo").success());
    for path in [pipe.as_path(), "/dev/zero".as_ref(), folder.0.as_path()] {
        let error = IssuerConfig::from_file(path).expect_err("no file").to_string();
        assert!(error.contains("not a regular file"), "{error}");
        let error = StoreKey::from_file(path).expect_err("no file").to_string();
        assert!(error.contains("not a regular file"), "{error}");
        assert!(countersign_issuer::FileStore::open(path).is_err());
    }
    let path = folder.write("issuer.toml", &format!("issuer = \"{NAME}\"\n"));
    let link = folder.0.join("link.toml");
    std::os::unix::fs::symlink(path, &link).expect("a link");
    assert!(IssuerConfig::from_file(&link).is_ok());
}
