//! A server of one's own.

use std::sync::Arc;
use std::time::SystemTime;

use countersign::key::Algorithm;
use countersign::mint::Signer;
use countersign_tests::parts::Part;
use countersign_tests::ports::free_ports;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::Value;

use crate::script::Server;

/// A running server.
pub struct Zitadel {
    pub server: Server,
    issuer: String,
    /// The key of the service `shipping`.
    pub shipping: Arc<Signer>,
}

impl Zitadel {
    /// Starts one on a free port.
    pub async fn start() -> Self {
        let [port] = free_ports();
        let issuer = format!("http://127.0.0.1:{port}");
        let ready = format!("{issuer}/.well-known/openid-configuration");
        let server = Server::new(Part::Zitadel, "zitadel", &[port], ready);
        let shipping = Arc::new(Signer::generate(Algorithm::ES256).expect("a key"));
        let public = serde_json::to_string(&shipping.public_jwk()).expect("JSON");
        std::fs::write(server.folder().join("shipping.json"), public).expect("a file");
        std::fs::create_dir(server.folder().join("keys")).expect("a folder");
        let mut this = Zitadel { server, issuer, shipping };
        this.rotate();
        this.server.start().await;
        this
    }

    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// A new signing key, which takes the place of the current one at once.
    pub fn rotate(&self) {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time");
        let (folder, name) = (self.server.folder(), format!("key-{:032}", since.as_nanos()));
        let new = folder.join("new");
        std::fs::write(&new, KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key").serialize_der())
            .expect("a file");
        std::fs::rename(new, folder.join("keys").join(name)).expect("a file at another place");
    }

    /// What the token endpoint answers to these fields of this client.
    pub async fn grant(&self, client: &str, fields: &[(&str, &str)]) -> Value {
        let request = reqwest::Client::new().post(format!("{}/oauth/token", self.issuer));
        let request = request.basic_auth(client, Some(format!("replace-me-{client}"))).form(fields);
        request.send().await.expect("an answer").json().await.expect("JSON")
    }

    /// The token of the service `billing` for itself, with further fields.
    pub async fn billing(&self, fields: &[(&str, &str)]) -> String {
        let answer = self.grant("billing", &[&[("grant_type", "client_credentials")], fields].concat()).await;
        answer["access_token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
    }

    /// The token of the service `billing` for `orders`.
    pub async fn billing_for_orders(&self) -> String {
        self.billing(&[("scope", "orders:read")]).await
    }
}
