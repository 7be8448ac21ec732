//! An API server of one's own, with the objects of the guide.

use std::path::{Path, PathBuf};

use countersign_tests::parts::Part;
use countersign_tests::ports::free_ports;
use reqwest::Method;
use serde_json::{Value, json};

use super::certificates::write_account_key;
use crate::authority::Authority;
use crate::guide::Guide;
use crate::script::Server;

/// The folder of keys in the guide's flags.
const GUIDE_KEYS: &str = "/etc/kubernetes/pki";

/// A running API server with its etcd.
pub struct Cluster {
    pub server: Server,
    url: String,
    admin: String,
    http: reqwest::Client,
}

impl Cluster {
    /// Starts one with the flags in this file of the guide, and creates the namespace of the guide. In flags, `outside` stands
    /// for the address of the server.
    pub async fn start(guide: &Guide, flags: &str, outside: &str) -> Self {
        let ports = free_ports::<3>();
        let url = format!("https://127.0.0.1:{}", ports[0]);
        let authority = Authority::new();
        // Each test has a runtime of its own, so no connection can serve two of them.
        let client = reqwest::Client::builder().no_proxy().http1_only().pool_max_idle_per_host(0);
        let http = client.tls_certs_only([authority.certificate()]).build().expect("a client");
        let server =
            Server::new(Part::Kubernetes, "kubernetes", &ports, format!("{url}/readyz")).asked_by(http.clone());
        let folder = server.folder().to_owned();
        authority.write_server(&folder);
        let admin = format!("{:032x}", fastrand::u128(..));
        let administrators = format!("{admin},admin,admin,\"system:masters\"\n");
        std::fs::write(folder.join("administrators.csv"), administrators).expect("written");
        write_account_key(&folder, "sa", true);
        let mut cluster = Cluster { server, url, admin, http };
        cluster.set_flags(&guide.file(flags).replace(outside, &cluster.url));
        cluster.server.start().await;
        cluster.create_namespace().await;
        cluster
    }

    /// Creates the namespace of the guide, with what each namespace has.
    async fn create_namespace(&self) {
        self.create("namespaces", json!({ "metadata": { "name": "shop" } })).await;
        let authority = std::fs::read_to_string(self.authority_file()).expect("written");
        let authority = json!({ "metadata": { "name": "kube-root-ca.crt" }, "data": { "ca.crt": authority } });
        self.create("namespaces/shop/configmaps", authority).await;
    }

    /// Kills it and starts it with an empty etcd, in which it creates the namespace again.
    pub async fn lose_database(&mut self) {
        self.server.kill();
        std::fs::remove_dir_all(self.folder().join("etcd")).expect("removed");
        self.server.start().await;
        self.create_namespace().await;
    }

    /// Sets the flags of the next start, written as the guide writes them.
    pub fn set_flags(&self, flags: &str) {
        let keys = self.folder().display().to_string();
        let flags = flags.lines().map(|line| line.trim_start_matches("- ").replace(GUIDE_KEYS, &keys) + "\n");
        std::fs::write(self.folder().join("arguments"), flags.collect::<String>()).expect("written");
    }

    /// Kills it and starts it with these flags and the data that it had.
    pub async fn restart(&mut self, flags: &str) {
        self.set_flags(flags);
        self.server.kill();
        self.server.start().await;
    }

    /// The address of the API server.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The certificate of its authority.
    pub fn authority_file(&self) -> PathBuf {
        self.folder().join("ca.crt")
    }

    pub fn folder(&self) -> &Path {
        self.server.folder()
    }

    /// What the administrator gets for this request: the status and the object.
    pub async fn request(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let request = self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.admin).json(body);
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    }

    /// The body that this path answers with, if this token may see it.
    pub async fn read(&self, path: &str, token: &str) -> Value {
        let answer = self.http.get(format!("{}{path}", self.url)).bearer_auth(token).send().await.expect("an answer");
        answer.json().await.expect("JSON")
    }

    /// Creates an object of the core group.
    pub async fn create(&self, path: &str, object: Value) -> Value {
        let (status, created) = self.request(Method::POST, &format!("/api/v1/{path}"), &object).await;
        assert!([200, 201].contains(&status), "{path}: {created}");
        created
    }

    /// Does what `kubectl apply` does with a new file of the guide, in the namespace `shop`.
    pub async fn apply(&self, objects: &str) {
        for object in objects.split("---\n") {
            let kind = object.lines().find_map(|line| line.strip_prefix("kind: ")).expect("a kind").to_lowercase();
            let url = format!("{}/api/v1/namespaces/shop/{kind}s", self.url);
            let request = self.http.post(url).bearer_auth(&self.admin).header("content-type", "application/yaml");
            let answer = request.body(object.to_owned()).send().await.expect("an answer");
            let status = answer.status();
            assert!(status.is_success(), "{status}: {}", answer.text().await.unwrap_or_default());
        }
    }

    /// Does what the guide's calls of `kubectl create clusterrolebinding` do that name this binding.
    pub async fn bind(&self, guide: &Guide, name: &str) {
        let commands = guide.commands("kubectl create clusterrolebinding ");
        let words = commands.into_iter().find(|words| words[0] == name).expect("the guide binds it");
        let value = |flag: &str| words.iter().find_map(|word| word.strip_prefix(flag));
        let subject = match value("--serviceaccount=").and_then(|account| account.split_once(':')) {
            Some((namespace, name)) => json!({ "kind": "ServiceAccount", "namespace": namespace, "name": name }),
            None => json!({ "kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": value("--group=") }),
        };
        let role = json!({
            "kind": "ClusterRole", "apiGroup": "rbac.authorization.k8s.io", "name": value("--clusterrole="),
        });
        let binding = json!({ "metadata": { "name": name }, "roleRef": role, "subjects": [subject] });
        let (status, answer) = self.request(Method::POST, BINDINGS, &binding).await;
        assert_eq!(status, 201, "{answer}");
    }

    /// A token of this service account of the namespace `shop`, for ten minutes, which is the shortest.
    pub async fn token(&self, account: &str, audience: &str) -> String {
        self.token_of(account, &json!({ "audiences": [audience], "expirationSeconds": 600 })).await
    }

    /// A token by this specification of a request.
    pub async fn token_of(&self, account: &str, spec: &Value) -> String {
        let path = format!("namespaces/shop/serviceaccounts/{account}/token");
        let answer = self.create(&path, json!({ "spec": spec })).await;
        answer["status"]["token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
    }
}

/// The path of all bindings of cluster roles.
pub const BINDINGS: &str = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
