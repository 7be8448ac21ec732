//! A Hydra of one's own, with the clients of the guide.

use std::process::Command;

use countersign_tests::parts::Part;
use countersign_tests::peers;
use countersign_tests::ports::free_ports;
use reqwest::Method;
use serde_json::{Value, json};

use crate::guide::Guide;
use crate::script::Server;

/// The name that the guide's files give their issuer.
pub const GUIDE_ISSUER: &str = "https://id.example.com";

/// The address that the guide gives the administration.
const GUIDE_ADMIN: &str = "http://127.0.0.1:4445";

/// A running server.
pub struct Hydra {
    pub server: Server,
    issuer: String,
    admin: String,
}

impl Hydra {
    /// Starts one on free ports and does what the guide says.
    pub async fn start(guide: &Guide) -> Self {
        let ports @ [public, admin] = free_ports();
        let [issuer, admin] = [public, admin].map(|port| format!("http://127.0.0.1:{port}"));
        let ready = format!("{issuer}/health/ready");
        let mut server = Server::new(Part::Hydra, "hydra", &ports, ready);
        let folder = server.folder().to_owned();
        for name in ["hydra.yaml", "clients.json"] {
            std::fs::write(folder.join(name), guide.file(name)).expect("a file");
        }
        server.start().await;
        let hydra = Hydra { server, issuer, admin };
        hydra.fill(guide).await;
        hydra
    }

    /// Fills the empty database.
    async fn fill(&self, guide: &Guide) {
        for words in guide.commands("hydra ").filter(|words| words.first() == Some(&"import")) {
            let words = words.iter().map(|word| word.replace(GUIDE_ADMIN, &self.admin));
            let mut command = Command::new(peers::folder().join("hydra/server/hydra"));
            let done = command.args(words).current_dir(self.server.folder()).output().expect("it runs");
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        }
        // While Hydra makes an RSA key of 4,096 bits, its database is locked: for the first token, and for the first key set.
        self.billing_for_orders().await;
        let keys = reqwest::get(format!("{}/.well-known/jwks.json", self.issuer)).await.expect("an answer");
        assert!(keys.status().is_success(), "{keys:?}");
    }

    /// Kills it, and starts it with an empty database.
    pub async fn lose_database(&mut self, guide: &Guide) {
        self.server.kill();
        for file in std::fs::read_dir(self.server.folder()).expect("a folder") {
            let path = file.expect("an entry").path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("hydra.sqlite")) {
                std::fs::remove_file(path).expect("removed");
            }
        }
        self.server.start().await;
        self.fill(guide).await;
    }

    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The address of its token endpoint, which assertions must name.
    pub fn token_endpoint(&self) -> String {
        format!("{}/oauth2/token", self.issuer)
    }

    /// The address of its introspection, which is a part of the administration.
    pub fn introspection_endpoint(&self) -> String {
        format!("{}/admin/oauth2/introspect", self.admin)
    }

    /// What the token endpoint answers to these fields.
    pub async fn grant(&self, fields: &[(&str, &str)]) -> Value {
        let answer = reqwest::Client::new().post(self.token_endpoint()).form(fields).send().await.expect("an answer");
        answer.json().await.expect("JSON")
    }

    /// The token of the service `billing` for itself, with further fields.
    pub async fn billing(&self, fields: &[(&str, &str)]) -> String {
        let request =
            reqwest::Client::new().post(self.token_endpoint()).basic_auth("billing", Some("replace-me-billing"));
        let fields = [&[("grant_type", "client_credentials"), ("scope", "orders:read")], fields].concat();
        let answer: Value = request.form(&fields).send().await.expect("an answer").json().await.expect("JSON");
        answer["access_token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
    }

    /// The token of the service `billing` for `orders`.
    pub async fn billing_for_orders(&self) -> String {
        self.billing(&[("audience", "orders")]).await
    }

    /// A new signing key, which takes the place of the current one at once.
    pub async fn rotate(&self) {
        let key = json!({ "alg": "ES256", "use": "sig", "kid": format!("key-{}", fastrand::u64(..)) });
        self.admin(Method::POST, "keys/hydra.jwt.access-token", &key).await;
    }

    /// What the administration answers. SQLite refuses a writer that meets another: such a request is sent again.
    pub async fn admin(&self, method: Method, path: &str, body: &Value) -> Value {
        let url = format!("{}/admin/{path}", self.admin);
        let (mut status, mut text) = (reqwest::StatusCode::INTERNAL_SERVER_ERROR, String::new());
        for _ in 0..20 {
            let request = reqwest::Client::new().request(method.clone(), &url).json(body);
            let answer = request.send().await.expect("an answer");
            (status, text) = (answer.status(), answer.text().await.unwrap_or_default());
            if status != reqwest::StatusCode::INTERNAL_SERVER_ERROR {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        assert!(status.is_success(), "{path} {body}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }
}
