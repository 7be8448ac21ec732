//! Keycloak as the token service, from the folder `tests/peers/keycloak`, with the realm in `realm.json`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use countersign::secret::Secret;
use serde_json::{Value, json};

use super::Person;
use crate::Result;
use crate::server::listen;

/// How long Keycloak may take to start.
const STARTS_WITHIN: Duration = Duration::from_secs(300);

/// The lifetime of tokens of the client `web-shop-brief`, and the leeway of the policy.
const BRIEF_AND_LEEWAY: Duration = Duration::from_secs(2);

/// A running server. It ends with this process, however that ends: its script waits for the end of its input.
pub struct Keycloak {
    http: reqwest::Client,
    address: String,
    issuer: String,
    rotations: AtomicU32,
    script: Child,
    input: Option<ChildStdin>,
    folder: PathBuf,
}

/// The secret in `realm.json`, of a server that only this machine reaches.
pub fn secret_of(client: &str) -> Secret<String> {
    Secret::from(format!("{client}-secret"))
}

impl Keycloak {
    pub async fn start() -> Result<Self> {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/peers/keycloak");
        if !scripts.join("server/ready").exists() {
            let problem = "Keycloak is not installed; run tests/peers/keycloak/install, which needs Java 17 and Maven";
            return Err(problem.into());
        }
        let (listener, address) = listen().await?;
        let port = listener.local_addr()?.port();
        let (for_https, _) = listen().await?;
        let https_port = for_https.local_addr()?.port();
        drop((listener, for_https)); // Keycloak binds the ports itself
        let folder = std::env::temp_dir().join(format!("countersign-mesh-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("options"), "--optimized")?; // no certificate: this machine calls it by plain HTTP
        let mut command = Command::new(scripts.join("run"));
        let mut script =
            command.arg(port.to_string()).arg(https_port.to_string()).arg(&folder).stdin(Stdio::piped()).spawn()?;
        let input = script.stdin.take();
        let issuer = format!("{address}/realms/mesh");
        let http = reqwest::Client::new();
        let keycloak = Keycloak { http, address, issuer, rotations: AtomicU32::new(0), script, input, folder };
        println!("starting Keycloak, which takes up to a minute ...");
        keycloak.wait_until_ready().await?;
        keycloak.administer("", &serde_json::from_str(include_str!("realm.json"))?).await?;
        Ok(keycloak)
    }

    async fn wait_until_ready(&self) -> Result<()> {
        let (url, started) = (format!("{}/realms/master", self.address), Instant::now());
        while !self.http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
            if started.elapsed() > STARTS_WITHIN {
                return Err(format!("Keycloak did not start; see {}", self.folder.join("log").display()).into());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    pub async fn for_person(&self, person: &Person, audience: &str, scope: &str) -> Result<String> {
        self.for_person_at("web-shop", person, audience, scope).await
    }

    pub async fn expired_for_person(&self, person: &Person, audience: &str, scope: &str) -> Result<String> {
        let token = self.for_person_at("web-shop-brief", person, audience, scope).await?;
        tokio::time::sleep(BRIEF_AND_LEEWAY + Duration::from_secs(1)).await;
        Ok(token)
    }

    /// A person's password is their name.
    async fn for_person_at(&self, client: &str, person: &Person, audience: &str, scope: &str) -> Result<String> {
        let scope = format!("{scope} for-{audience}");
        let fields = [("client_id", client), ("username", person.subject), ("password", person.subject)];
        self.token(&self.issuer, &[&fields[..], &[("scope", &scope)]].concat()).await
    }

    /// Adds a key with a higher priority than those before.
    pub async fn rotate(&self) -> Result<()> {
        let priority = 1000 + self.rotations.fetch_add(1, Ordering::SeqCst);
        let key = json!({
            "name": format!("key-{priority}"), "providerId": "rsa-generated", "providerType": "org.keycloak.keys.KeyProvider",
            "config": { "priority": [priority.to_string()], "algorithm": ["RS256"] },
        });
        self.administer("/mesh/components", &key).await
    }

    /// Sends the server a signal.
    pub fn signal(&mut self, name: &str) -> Result<()> {
        let input = self.input.as_mut().ok_or("Keycloak has ended")?;
        Ok(writeln!(input, "{name}")?)
    }

    /// Adds this to what the administration has at this path below its realms.
    async fn administer(&self, path: &str, body: &Value) -> Result<()> {
        let fields = [("client_id", "admin-cli"), ("username", "admin"), ("password", "admin")];
        let token = self.token(&format!("{}/realms/master", self.address), &fields).await?;
        let request = self.http.post(format!("{}/admin/realms{path}", self.address)).bearer_auth(token).json(body);
        request.send().await?.error_for_status()?;
        Ok(())
    }

    async fn token(&self, issuer: &str, fields: &[(&str, &str)]) -> Result<String> {
        let url = format!("{issuer}/protocol/openid-connect/token");
        let request = self.http.post(url).form(&[fields, &[("grant_type", "password")]].concat());
        let answer: Value = request.send().await?.json().await?;
        Ok(answer["access_token"]
            .as_str()
            .ok_or_else(|| format!("Keycloak gave no token: {}", answer["error"]))?
            .to_owned())
    }
}

impl Drop for Keycloak {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.script.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
