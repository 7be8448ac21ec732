//! An authorization server of one's own, with the clients of the guide.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::get;
use countersign::key::Algorithm;
use countersign::mint::Signer;
use countersign_tests::parts::Part;
use countersign_tests::ports::free_ports;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};

use crate::script::Server;

/// The name that the guide's files give their issuer.
pub const GUIDE_ISSUER: &str = "https://id.example.com";

/// The published keys: those of the last rotations, the newest first.
const PUBLISHED: usize = 3;

/// A running server.
pub struct AuthorizationServer {
    pub server: Server,
    issuer: String,
    keys: Mutex<Vec<Value>>,
    /// The key of the client `shipping`, and its place.
    pub shipping: Arc<Signer>,
}

impl AuthorizationServer {
    /// Starts one on a free port.
    pub async fn start() -> Self {
        let shipping = Arc::new(Signer::generate(Algorithm::ES256).expect("a key"));
        let keys = json!({ "keys": [shipping.public_jwk()] }).to_string();
        let shipping_port = serve(Router::new().route("/keys", get(async || keys)));

        let [port] = free_ports();
        let issuer = format!("http://127.0.0.1:{port}");
        let ready = format!("{issuer}/.well-known/openid-configuration");
        let server = Server::new(Part::SpringAuthorization, "spring_authorization", &[port, shipping_port], ready);
        let keys = Mutex::default();
        let mut this = AuthorizationServer { server, issuer, keys, shipping };
        this.rotate();
        this.server.start().await;
        this
    }

    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// A new signing key, which takes the place of the current one at once.
    pub fn rotate(&self) {
        let mut keys = self.keys.lock().expect("not poisoned");
        keys.insert(0, private_jwk(&format!("key-{}", fastrand::u64(..))));
        keys.truncate(PUBLISHED);
        let file: PathBuf = self.server.folder().join("keys.json");
        let new = file.with_extension("new");
        std::fs::write(&new, json!({ "keys": *keys }).to_string()).expect("a file");
        std::fs::rename(new, file).expect("a file in place of another");
    }

    /// What the token endpoint answers to these fields.
    pub async fn grant(&self, fields: &[(&str, &str)]) -> Value {
        let url = format!("{}/oauth2/token", self.issuer);
        let answer = reqwest::Client::new().post(url).form(fields).send().await.expect("an answer");
        answer.json().await.expect("JSON")
    }

    /// The token of the service `billing` for itself, with further fields.
    pub async fn billing(&self, fields: &[(&str, &str)]) -> String {
        let client = [("client_id", "billing"), ("client_secret", "replace-me-billing")];
        let answer = self.grant(&[&client[..], &[("grant_type", "client_credentials")], fields].concat()).await;
        answer["access_token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
    }

    /// The token of the service `billing` for `orders`.
    pub async fn billing_for_orders(&self) -> String {
        self.billing(&[("scope", "orders:read")]).await
    }
}

/// Serves this on a free port, which it returns, until the process ends: each test has a runtime of its own, and this is for all.
fn serve(router: Router) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    listener.set_nonblocking(true).expect("a socket");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
            axum::serve(listener, router).await
        })
    });
    port
}

/// A new private key of P-256 as a JWK.
fn private_jwk(kid: &str) -> Value {
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
    let der = pair.serialize_der();
    let text = |bytes: &[u8]| base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes);
    // The version of `ECPrivateKey` (RFC 5915) and the beginning of the string with the number.
    let before = [2, 1, 1, 4, 32];
    let at = der.windows(5).position(|bytes| bytes == before).expect("a private key") + before.len();
    let point = pair.public_key_raw();
    json!({
        "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": kid, "x": text(&point[1..33]), "y": text(&point[33..]),
        "d": text(&der[at..at + 32]),
    })
}
