//! A Keycloak of one's own, with the realm of the guide.

use countersign_tests::parts::Part;
use countersign_tests::peers;
use countersign_tests::ports::free_ports;
use serde_json::{Value, json};

use crate::authority::Authority;
use crate::guide::Guide;
use crate::script::Server;

/// The name that the guide's policy gives its issuer.
pub const GUIDE_ISSUER: &str = "https://id.example.com/realms/shop";

/// A running server.
pub struct Keycloak {
    pub server: Server,
    /// The authority of its own certificate and of those of its clients.
    pub authority: Authority,
    address: String,
    https_address: String,
}

impl Keycloak {
    /// Starts one on free ports and waits until it answers.
    pub async fn start(guide: &Guide) -> Self {
        Keycloak::start_with(guide, None).await
    }

    /// Starts one whose database is PostgreSQL on this port.
    pub async fn start_with_postgres(guide: &Guide, port: u16) -> Self {
        Keycloak::start_with(guide, Some(port)).await
    }

    async fn start_with(guide: &Guide, postgres: Option<u16>) -> Self {
        let own_ports @ [port, https_port] = free_ports();
        let (address, https_address) = (format!("http://127.0.0.1:{port}"), format!("https://127.0.0.1:{https_port}"));
        let ports: Vec<u16> = own_ports.into_iter().chain(postgres).collect();
        let server = Server::new(Part::Keycloak, "keycloak", &ports, format!("{address}/realms/master"));
        let mut keycloak = Keycloak { server, authority: Authority::new(), address, https_address };
        keycloak.authority.write_server(keycloak.server.folder());
        let options = guide.commands("kc.sh start ").next().expect("the guide starts it").join("\n");
        std::fs::write(keycloak.server.folder().join("options"), keycloak.placed(&options)).expect("written");
        let script = std::fs::read_to_string(peers::folder().join("keycloak/install")).expect("a script");
        let build = guide.commands("kc.sh build ").next().expect("the guide builds it");
        for option in build.iter().filter(|option| option.starts_with("--https")) {
            assert!(script.contains(option), "the script builds it with {option} too");
        }
        keycloak.server.start().await;
        keycloak
    }

    /// A text of the guide with the places of this server.
    pub fn placed(&self, text: &str) -> String {
        let folder = self.server.folder().display();
        text.replace(GUIDE_ISSUER, &self.https_issuer())
            .replace("/etc/tls/clients.pem", &format!("{folder}/ca.crt"))
            .replace("/etc/company/ca.pem", &format!("{folder}/ca.crt"))
            .replace("/etc/tls/id", &format!("{folder}/server"))
            .replace("/run/tls", &folder.to_string())
    }

    /// The issuer of this realm.
    pub fn issuer(&self, realm: &str) -> String {
        format!("{}/realms/{realm}", self.address)
    }

    /// The issuer of the realm `shop` for those who come with HTTPS.
    pub fn https_issuer(&self) -> String {
        format!("{}/realms/shop", self.https_address)
    }

    /// Does what the guide's calls of `kcadm.sh create` do, with files in which these places are replaced.
    pub async fn create(&self, guide: &Guide, placed: impl Fn(&str) -> String) -> usize {
        let mut calls = 0;
        for words in guide.commands("kcadm.sh create ") {
            let path = match words[1..] {
                ["-r", realm, ..] => format!("{realm}/{}", words[0]),
                _ => String::new(), // a realm itself
            };
            let mut body = json!({});
            let file = words.iter().position(|word| *word == "-f").map(|at| guide.file(words[at + 1]));
            if let Some(file) = file {
                body = serde_json::from_str(&placed(file)).expect("JSON");
            }
            for (name, value) in words.iter().filter_map(|word| word.split_once('=')) {
                body[name] = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
            }
            self.post(&path, &body).await;
            calls += 1;
        }
        calls
    }

    /// Does what the guide says, and adds the user `ann`, who is a manager, and the realm `other`.
    pub async fn set_up(&self, guide: &Guide) {
        let calls = self.create(guide, str::to_owned).await;
        assert!(calls > 5, "the guide has {calls} calls");
        self.add_manager("shop").await;
        self.post("", &json!({ "realm": "other", "enabled": true })).await;
        let mut client: Value = serde_json::from_str(guide.file("billing.json")).expect("JSON");
        client["optionalClientScopes"] = json!([]);
        self.post("other/clients", &client).await;
    }

    /// Adds the user `ann` to a realm, with the role `manager`. Her password is her name.
    pub async fn add_manager(&self, realm: &str) {
        let ann = json!({
            "username": "ann", "enabled": true, "email": "ann@shop.test", "emailVerified": true, "firstName": "Ann",
            "lastName": "Example", "credentials": [{ "type": "password", "value": "ann" }],
        });
        self.post(&format!("{realm}/users"), &ann).await;
        let user = self.get(&format!("{realm}/users?username=ann")).await[0]["id"].as_str().expect("an id").to_owned();
        let role = self.get(&format!("{realm}/roles/manager")).await;
        self.post(&format!("{realm}/users/{user}/role-mappings/realm"), &json!([role])).await;
    }

    /// A new signing key, which takes the place of the current one at once. `priority` grows with each.
    pub async fn rotate(&self, priority: u32) {
        let key = json!({
            "name": format!("key-{priority}"), "providerId": "rsa-generated", "providerType": "org.keycloak.keys.KeyProvider",
            "config": {
                "priority": [priority.to_string()], "enabled": ["true"], "active": ["true"], "algorithm": ["RS256"],
                "keySize": ["2048"],
            },
        });
        self.post("shop/components", &key).await;
    }

    /// The token that the token endpoint of `shop` gives for these fields.
    pub async fn token(&self, fields: &[(&str, &str)]) -> String {
        self.token_of("shop", fields).await
    }

    /// The token that the token endpoint of a realm gives for these fields.
    pub async fn token_of(&self, realm: &str, fields: &[(&str, &str)]) -> String {
        let answer = self.answer_of(realm, fields).await;
        answer["access_token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
    }

    /// What the token endpoint of a realm answers to these fields; null if it is no JSON.
    pub async fn answer_of(&self, realm: &str, fields: &[(&str, &str)]) -> Value {
        let url = format!("{}/protocol/openid-connect/token", self.issuer(realm));
        let answer = reqwest::Client::new().post(url).form(fields).send().await.expect("an answer");
        answer.json().await.unwrap_or_default()
    }

    /// The token of the service `billing` for itself.
    pub async fn billing(&self, scope: &str) -> String {
        let secret = ("client_secret", "replace-me-billing");
        self.token(&[("grant_type", "client_credentials"), ("client_id", "billing"), secret, ("scope", scope)]).await
    }

    /// The token of the user `ann` at the client `web`.
    pub async fn ann(&self, scope: &str) -> String {
        let user = [("grant_type", "password"), ("username", "ann"), ("password", "ann"), ("client_id", "web")];
        self.token(&[&user[..], &[("scope", scope)]].concat()).await
    }

    /// What the administration has at this path below `realms`.
    pub async fn get(&self, path: &str) -> Value {
        let answer = self.admin(reqwest::Method::GET, path).await.send().await.expect("an answer");
        assert!(answer.status().is_success(), "GET {path}: {}", answer.status());
        answer.json().await.expect("JSON")
    }

    /// Gives the administration this value.
    pub async fn put(&self, path: &str, body: &Value) {
        let request = self.admin(reqwest::Method::PUT, path).await.json(body);
        let answer = request.send().await.expect("an answer");
        assert!(answer.status().is_success(), "PUT {path}: {}", answer.status());
    }

    /// Adds this value.
    pub async fn post(&self, path: &str, body: &Value) {
        let answer = self.admin(reqwest::Method::POST, path).await.json(body).send().await.expect("an answer");
        let (status, text) = (answer.status(), answer.text().await.unwrap_or_default());
        assert!(status.is_success(), "POST {path} {body}: {status} {text}");
    }

    /// A request to the administration. Its tokens live for a minute, so each request has its own.
    async fn admin(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let user =
            [("grant_type", "password"), ("username", "admin"), ("password", "admin"), ("client_id", "admin-cli")];
        let token = self.token_of("master", &user).await;
        let url = format!("{}/admin/realms/{path}", self.address);
        reqwest::Client::new().request(method, url.trim_end_matches('/')).bearer_auth(token)
    }
}
