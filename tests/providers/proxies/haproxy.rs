//! HAProxy, which verifies signatures of tokens by itself.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use countersign::clock::Clock as _;
use countersign::key::Algorithm;
use countersign_core::mint::Draft;
use countersign_issuer::{Audience, Issuer};
use countersign_test::{ManualClock, TestIssuer};
use countersign_tests::parts::Part;

use super::{HOST, Proxy, behind, guide};

/// The name that the guide gives the issuer.
const ISSUER: &str = "https://id.example.com";

/// The DER of a public key of P-256 up to its point (RFC 5480).
const BEFORE_POINT: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

fn issuer(clock: ManualClock) -> Issuer {
    Issuer::builder(ISSUER)
        .clock(Arc::new(clock))
        .algorithm(Algorithm::ES256)
        .add_audience(Audience::new("orders").scopes(["orders:read"]))
        .add_audience(Audience::new("billing").scopes(["orders:read"]))
        .build()
        .expect("an issuer")
}

/// The key that the issuer signs with, as PEM.
async fn pem(issuer: &Issuer, kid: &str) -> String {
    let keys = countersign_tests::http::Service::start(issuer.router()).await;
    let keys = keys.request("GET /jwks", &[]).await.json();
    let key = keys["keys"].as_array().and_then(|keys| keys.iter().find(|key| key["kid"] == kid)).expect("the key");
    let part = |name: &str| {
        let text: &str = key[name].as_str().expect("text");
        base64_simd::URL_SAFE_NO_PAD.decode_to_vec(text).expect("base64url")
    };
    let der = [&BEFORE_POINT[..], &[4], &part("x"), &part("y")].concat();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", base64_simd::STANDARD.encode_to_string(der))
}

async fn haproxy(orders: &str, pem: &str) -> Proxy {
    Proxy::start(Part::Haproxy, |folder, port| {
        let [key, file] = ["issuer.pem", "haproxy.cfg"].map(|name| folder.join(name));
        let text = guide().file("haproxy.cfg").replace("127.0.0.1:8080", &format!("127.0.0.1:{port}"));
        let text =
            text.replace("127.0.0.1:9002", orders).replace("/etc/haproxy/issuer.pem", key.to_str().expect("text"));
        std::fs::write(key, pem).expect("a file");
        std::fs::write(&file, text).expect("a file");
        vec!["-db".into(), "-f".into(), file.display().to_string()]
    })
    .await
}

fn token(issuer: &Issuer, audience: &str) -> String {
    let draft = Draft::access_token().subject("ann").audience(audience).client_id("web").scope("orders:read");
    issuer.mint(&draft).expect("a token").as_str().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_haproxy), ignore = "needs HAProxy: tests/peers/install")]
async fn s8_09_haproxy_verifies_tokens_of_the_embedded_issuer_by_a_key_in_a_file() {
    let clock = ManualClock::from_system();
    let issuer = issuer(clock.clone());
    let good = token(&issuer, "orders");
    let public = pem(&issuer, &crate::load::kid(&good)).await;
    let (orders, seen) = behind().await;
    let orders_address = orders.url().trim_start_matches("http://").to_owned();
    let proxy = haproxy(&orders_address, &public).await;
    let status =
        async |token: &str| proxy.request("GET /orders", &[&format!("Authorization: Bearer {token}")]).await.status;
    let lies = ["X-Caller: admin", "X_Caller: admin", "X-Forwarded-Host: a.example", "Forwarded: host=a.example"];
    let header = format!("Authorization: Bearer {good}");
    let answer = proxy.request("GET /orders", &[&lies[..], &[header.as_str()]].concat()).await;
    assert_eq!(answer.body, format!("GET /orders 0 ann;;{HOST};{HOST};"), "{answer:?}");
    assert_eq!(seen.swap(0, Ordering::Relaxed), 1);

    let anonymous = proxy.request("GET /orders", &[]).await;
    assert_eq!((anonymous.status, anonymous.challenge()), (401, "Bearer"));
    assert_eq!(status(&token(&issuer, "billing")).await, 401, "for another service");
    let now = clock.now();
    clock.step_wall(now.saturating_sub(Duration::from_secs(7200)));
    let expired = token(&issuer, "orders");
    clock.step_wall(now);
    assert_eq!((crate::load::kid(&expired), status(&expired).await), (crate::load::kid(&good), 401), "expired");
    let forged = TestIssuer::with_algorithm(Algorithm::ES256).with_name(ISSUER);
    assert_eq!(status(&forged.token().audience("orders").sign()).await, 401, "of another key");
    let [_, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    for header in
        [r#"{"alg":"none","typ":"at+jwt"}"#, r#"{"alg":"HS256","typ":"at+jwt"}"#, r#"{"alg":"ES256","typ":"JWT"}"#]
    {
        let header = base64_simd::URL_SAFE_NO_PAD.encode_to_string(header);
        for signature in [signature, ""] {
            assert_eq!(status(&format!("{header}.{payload}.{signature}")).await, 401, "{header}");
        }
    }
    assert_eq!(proxy.request("GET /orders", &[&header, &header]).await.status, 400, "two tokens");
    issuer.rotate_now().expect("a key");
    let renewed = token(&issuer, "orders");
    assert_eq!(status(&renewed).await, 401, "a key that the file does not have");
    let other = haproxy(&orders_address, &pem(&issuer, &crate::load::kid(&renewed)).await).await;
    let answer = other.request("GET /orders", &[&format!("Authorization: Bearer {renewed}")]).await;
    assert_eq!((answer.status, seen.swap(0, Ordering::Relaxed)), (200, 1), "after the file was changed");
}
