//! A SPIRE server and agent of one's own, with the workloads of the guide.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use countersign_tests::parts::Part;
use countersign_tests::peers;
use countersign_tests::ports::free_ports;
use serde_json::Value;

use crate::guide::Guide;
use crate::outage::Harmed;

/// A running server and agent. Their script ends them when its standard input ends, so also at the end of this process.
pub struct Spire {
    input: ChildStdin,
    _script: Child,
    folder: PathBuf,
    domain: &'static str,
    discovery: String,
}

impl Spire {
    /// Starts both for this trust domain, and registers the workloads of the guide in it. With `has_issuer`, tokens have an
    /// `iss`: the address of the discovery provider.
    pub async fn start(domain: &'static str, has_issuer: bool, guide: &Guide) -> Self {
        Part::Spire.find(&peers::folder()).expect("run tests/peers/install all");
        let [port, discovery_port] = free_ports();
        let discovery = format!("http://localhost:{discovery_port}");
        // The path of a socket has at most 107 bytes.
        let folder = std::env::temp_dir().join(format!("cs-spire-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let issuer = if has_issuer { discovery.clone() } else { String::new() };
        let arguments = [domain.to_owned(), port.to_string(), discovery_port.to_string(), issuer];
        let mut script = Command::new(peers::folder().join("spire/run"))
            .args(&arguments)
            .arg(&folder)
            .stdin(Stdio::piped())
            .spawn()
            .expect("the script runs");
        let input = script.stdin.take().expect("piped");
        let server = Spire { input, _script: script, folder, domain, discovery };
        server.until_ready(true).await;
        server.write_bundle();
        server.register(guide).await;
        server
    }

    async fn until_ready(&self, expected: bool) {
        let limit = Instant::now() + Duration::from_secs(120);
        while self.folder.join("ready").exists() != expected {
            assert!(Instant::now() < limit, "see {}/log", self.folder.display());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Removes the database and the keys.
    pub fn lose_data(&self) {
        for file in std::fs::read_dir(&self.folder).expect("a folder") {
            let path = file.expect("an entry").path();
            let is_data = |name: &str| name.starts_with("datastore.sqlite3") || name == "keys.json";
            if path.file_name().is_some_and(|name| is_data(&name.to_string_lossy())) {
                std::fs::remove_file(path).expect("removed");
            }
        }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The issuer of tokens, if they have one.
    pub fn discovery(&self) -> String {
        self.discovery.clone()
    }

    /// The SPIFFE ID of this workload.
    pub fn id(&self, workload: &str) -> String {
        format!("spiffe://{}/{workload}", self.domain)
    }

    /// Does what the guide's calls of `spire-server entry create` do, for the user of this process, and waits for the agent.
    pub async fn register(&self, guide: &Guide) {
        let own_user = format!("unix:uid:{}", own_user());
        let mut calls = 0;
        for words in guide.commands("spire-server entry create ") {
            let words: Vec<String> = words
                .into_iter()
                .map(|word| word.replace("shop.example", self.domain))
                .map(|word| if word.starts_with("unix:uid:") { own_user.clone() } else { word })
                .collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            self.server(&[&["entry", "create", "-jwtSVIDTTL", "600"], &words[..]].concat());
            calls += 1;
        }
        assert_eq!(calls, 2, "the entries of the guide");
        self.until_tokens().await;
    }

    /// Waits until the agent knows its workloads.
    pub async fn until_tokens(&self) {
        let limit = Instant::now() + Duration::from_secs(30);
        while self.fetch("orders", "billing").is_none() || self.fetch("orders", "reports").is_none() {
            assert!(Instant::now() < limit, "no token; see {}/log", self.folder.display());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Does what the guide does with the trust bundle.
    pub fn write_bundle(&self) {
        let bundle = self.server(&["bundle", "show", "-format", "spiffe"]);
        let new = self.folder.join("bundle.json.new");
        std::fs::write(&new, bundle).expect("written");
        std::fs::rename(new, self.folder.join("bundle.json")).expect("renamed");
    }

    /// A new JWT-SVID of this workload.
    pub fn token(&self, audience: &str, workload: &str) -> String {
        self.fetch(audience, workload).expect("a token")
    }

    fn fetch(&self, audience: &str, workload: &str) -> Option<String> {
        let output = self
            .command("spire-agent")
            .args(["api", "fetch", "jwt", "-audience", audience, "-spiffeID", &self.id(workload), "-socketPath"])
            .arg(self.folder.join("agent.sock"))
            .output()
            .expect("the agent's command runs");
        let text = String::from_utf8(output.stdout).expect("text");
        output.status.success().then(|| text.lines().nth(1).expect("a token").trim().to_owned())
    }

    /// A JWT-SVID that nobody has had: the agent keeps a token until half of its lifetime is over, but for a new audience it
    /// gets a new one.
    pub fn new_token(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        self.token(&format!("orders,new-{}", NUMBER.fetch_add(1, Ordering::Relaxed)), "billing")
    }

    /// The JWK Set that the Workload API gives for this trust domain.
    pub fn workload_bundle(&self) -> String {
        let output = self
            .command("spire-agent")
            .args(["api", "fetch", "jwt", "-audience", "orders", "-output", "json", "-socketPath"])
            .arg(self.folder.join("agent.sock"))
            .output()
            .expect("the agent's command runs");
        let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let bundles = answer.as_array().and_then(|parts| parts.iter().find_map(|part| part["bundles"].as_object()));
        let bundle = bundles.and_then(|bundles| bundles.values().next()).and_then(Value::as_str).expect("a bundle");
        String::from_utf8(base64_simd::STANDARD.decode_to_vec(bundle).expect("base64")).expect("text")
    }

    /// Publishes a new JWT key, and returns its ID.
    pub fn prepare_key(&self) -> String {
        let output: Value = self.json(&["localauthority", "jwt", "prepare"]);
        output["prepared_authority"]["authority_id"].as_str().unwrap_or_else(|| panic!("no key: {output}")).to_owned()
    }

    /// Signs with this key from now on. The agent's tokens of the old one go.
    pub fn activate_key(&self, id: &str) {
        self.server(&["localauthority", "jwt", "activate", "-authorityID", id]);
    }

    fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.server(&[words, &["-output", "json"]].concat())).expect("JSON")
    }

    /// The output of `spire-server` with these words.
    fn server(&self, words: &[&str]) -> String {
        let mut command = self.command("spire-server");
        command.args(words).arg("-socketPath").arg(self.folder.join("server.sock"));
        let output = command.output().expect("the server's command runs");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    fn command(&self, program: &str) -> Command {
        Command::new(peers::folder().join("spire/server").join(program))
    }
}

impl Harmed for Spire {
    fn signal(&mut self, name: &str) {
        writeln!(self.input, "{name}").expect("the script reads");
    }

    async fn kill(&mut self) {
        self.signal("KILL");
        self.until_ready(false).await;
    }

    async fn start(&mut self) {
        self.signal("START");
        self.until_ready(true).await;
    }
}

fn own_user() -> u32 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").expect("there").uid()
}
