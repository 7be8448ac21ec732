//! The files of a pod, written as a kubelet writes them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use reqwest::Method;
use serde_json::{Value, json};

use super::Cluster;

/// A pod and the folder that stands for the root of its file system.
pub struct Pod {
    name: String,
    root: PathBuf,
}

impl Pod {
    /// The pod of this name that the cluster has, without files.
    pub fn new(cluster: &Cluster, name: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Pod { name: name.to_owned(), root: cluster.folder().join(format!("pod-{number}-{name}")) }
    }

    /// The file that the pod sees at this absolute path.
    pub fn file(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Writes the projected volumes that the API server put into the specification of the pod, or replaces their files.
    pub async fn write(&self, cluster: &Cluster) {
        let path = format!("/api/v1/namespaces/shop/pods/{}", self.name);
        let (status, pod) = cluster.request(Method::GET, &path, &json!(null)).await;
        assert_eq!(status, 200, "{pod}");
        let mounts = list(&pod["spec"]["containers"][0]["volumeMounts"]);
        for volume in list(&pod["spec"]["volumes"]) {
            let mount = mounts.iter().find(|mount| mount["name"] == volume["name"]).expect("it is mounted");
            let mut files = Vec::new();
            for source in list(&volume["projected"]["sources"]) {
                files.extend(self.files(cluster, &pod, source).await);
            }
            replace(&self.file(text(&mount["mountPath"])), &files);
        }
    }

    /// The names and contents of the files that this source of a projected volume has.
    async fn files(&self, cluster: &Cluster, pod: &Value, source: &Value) -> Vec<(String, String)> {
        if let Some(source) = source.get("serviceAccountToken") {
            let bound = json!({
                "kind": "Pod", "apiVersion": "v1", "name": self.name, "uid": pod["metadata"]["uid"],
            });
            let audiences: Vec<&Value> = source.get("audience").into_iter().collect();
            let seconds = &source["expirationSeconds"];
            let spec = json!({ "audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": bound });
            let token = cluster.token_of(text(&pod["spec"]["serviceAccountName"]), &spec).await;
            return vec![(text(&source["path"]).to_owned(), token)];
        }
        if let Some(source) = source.get("configMap") {
            let path = format!("/api/v1/namespaces/shop/configmaps/{}", text(&source["name"]));
            let (_, map) = cluster.request(Method::GET, &path, &json!(null)).await;
            let content =
                |item: &Value| (text(&item["path"]).to_owned(), text(&map["data"][text(&item["key"])]).to_owned());
            return list(&source["items"]).iter().map(content).collect();
        }
        Vec::new()
    }
}

/// Puts these files into the folder in one step: each is a link through `..data`, which is a link to a folder of this version.
fn replace(folder: &Path, files: &[(String, String)]) {
    use std::os::unix::fs::symlink;
    let version = format!("..{:016x}", fastrand::u64(..));
    std::fs::create_dir_all(folder.join(&version)).expect("a folder");
    for (name, content) in files {
        std::fs::write(folder.join(&version).join(name), content).expect("written");
    }
    let old = std::fs::read_link(folder.join("..data")).ok();
    symlink(&version, folder.join("..data_tmp")).expect("a link");
    std::fs::rename(folder.join("..data_tmp"), folder.join("..data")).expect("renamed");
    for (name, _) in files.iter().filter(|(name, _)| !folder.join(name).is_symlink()) {
        symlink(Path::new("..data").join(name), folder.join(name)).expect("a link");
    }
    if let Some(old) = old {
        std::fs::remove_dir_all(folder.join(old)).expect("removed");
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}
