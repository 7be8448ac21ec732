//! Clients and verifiers of other projects.

use countersign_core::key::Algorithm;
use countersign_core::mint::{Draft, Signer};
use countersign_issuer::Client;
use countersign_tests::peers;
use serde_json::{Value, json};

use crate::service::{SECRET, Service, shop};

/// The private JWK of an ES256 key, whose PKCS#8 form ends with the private number and the public point.
pub fn private_jwk(signer: &Signer) -> Value {
    let encode = |bytes: &[u8]| base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes);
    let pkcs8 = signer.private_key().expose();
    // ECPrivateKey (RFC 5915): version 1, then an octet string of 32 bytes.
    let marker = [0x02, 0x01, 0x01, 0x04, 0x20];
    let start = pkcs8.windows(5).position(|window| window == marker).expect("an EC key") + 5;
    let mut jwk = signer.public_jwk().expect("a public half");
    jwk["d"] = json!(encode(&pkcs8[start..start + 32]));
    jwk.as_object_mut().expect("an object").remove("use");
    jwk
}

async fn service(signer: &Signer) -> Service {
    let jwks = json!({ "keys": [signer.public_jwk()] }).to_string();
    let signing = Client::new("signing").public_keys(jwks).audiences(["billing"]).scopes(["read"]);
    Service::with(|builder| shop(builder).add_client(signing)).await
}

fn given(service: &Service, signer: &Signer) -> Value {
    let user = Draft::access_token().subject("ann").audience("orders").client_id("web-shop").scope("read");
    json!({
        "issuer": service.issuer.name(),
        "secret": SECRET,
        "private_jwk": private_jwk(signer),
        "user_token": service.issuer.mint(&user).expect("a token").as_str(),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_node), ignore = "needs Node.js: tests/peers/install")]
async fn s8_06_s8_09_s8_14_s8_19_javascript_uses_every_grant_and_follows_a_rotation() {
    let command = peers::node("issuer_oauth.mjs");
    let signer = Signer::generate(Algorithm::ES256).expect("a key");
    let service = service(&signer).await;
    let given = given(&service, &signer);
    let seen = tokio::task::spawn_blocking(move || peers::answer(command, &given)).await.expect("no panic");
    assert_eq!(seen["scopes"], json!(["read", "read", "read"]));
    assert_eq!(seen["claims"]["client_id"], "orders");
    assert_eq!(seen["issued_token_type"], "urn:ietf:params:oauth:token-type:access_token");
    assert_eq!(seen["act"]["sub"], "orders");
    assert_ne!(seen["kids"][0], seen["kids"][1], "the client follows the new key");
    assert_eq!(seen["active"], json!([true, false]));
    assert_eq!(seen["refused"][0], 401, "{}", seen["refused"]);
    assert_eq!(seen["openid"], json!([true, "orders", "ann"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_python), ignore = "needs Python packages: tests/peers/install")]
async fn s8_06_s8_09_a_python_client_uses_both_grants() {
    let command = peers::python("issuer_authlib.py");
    let signer = Signer::generate(Algorithm::ES256).expect("a key");
    let service = service(&signer).await;
    let given = given(&service, &signer);
    let seen = tokio::task::spawn_blocking(move || peers::answer(command, &given)).await.expect("no panic");
    assert_eq!(seen["subjects"], json!(["orders", "ann", "orders", "ann"]));
    assert_eq!(seen["lifetimes"][0], 300);
}
