//! Envoy verifies the issuer's tokens with its published keys.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use countersign_core::mint::Draft;
use countersign_tests::http::Service as Upstream;
use countersign_tests::peers;

use crate::service::{Service, segment};

/// Envoy with `jwt_authn`, started for a test and ended with it.
struct Envoy {
    child: Child,
    folder: PathBuf,
    url: String,
    http: reqwest::Client,
}

impl Envoy {
    /// In front of `upstream`, trusting `issuer` for tokens made for `audience`.
    async fn start(issuer: &str, audience: &str, upstream: &str) -> Self {
        let program = peers::envoy();
        let folder = std::env::temp_dir().join(format!("countersign-envoy-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let port = |url: &str| url.rsplit(':').next().expect("a port").to_owned();
        let config = std::fs::read_to_string(peers::folder().join("envoy.yaml.in")).expect("the template");
        let config = config
            .replace("{issuer}", issuer)
            .replace("{audience}", audience)
            .replace("{issuer_port}", &port(issuer))
            .replace("{upstream_port}", &port(upstream));
        let (path, admin) = (folder.join("envoy.yaml"), folder.join("admin"));
        std::fs::write(&path, config).expect("written");
        let child = Command::new(program)
            .arg("-c")
            .arg(&path)
            .args(["--concurrency", "1", "--use-dynamic-base-id", "--log-level", "error", "--admin-address-path"])
            .arg(&admin)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let mut envoy = Envoy { child, folder, url: String::new(), http: reqwest::Client::new() };
        envoy.url = envoy.listening(&admin).await;
        envoy
    }

    /// The URL at which it listens, once it is ready.
    async fn listening(&mut self, admin: &std::path::Path) -> String {
        loop {
            assert!(self.child.try_wait().expect("its state").is_none(), "envoy ended");
            if let Ok(admin) = std::fs::read_to_string(admin)
                && let Ok(answer) = self.http.get(format!("http://{}/listeners", admin.trim())).send().await
                && let Ok(text) = answer.text().await
                && let Some((_, address)) = text.trim().split_once("::")
                && !address.ends_with(":0")
            {
                return format!("http://{address}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn status(&self, token: Option<&str>) -> StatusCode {
        let request = self.http.get(&self.url);
        let request = token.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth);
        request.send().await.expect("an answer").status()
    }

    /// Repeats the request until the status is `expected`: Envoy caches its key set for two seconds.
    async fn comes_to(&self, token: &str, expected: StatusCode) {
        let start = Instant::now();
        while self.status(Some(token)).await != expected {
            assert!(start.elapsed() < Duration::from_secs(60), "not {expected} within a minute");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(has_envoy), ignore = "needs Envoy: tests/peers/install")]
async fn s8_09_s8_16_s8_17_envoy_verifies_tokens_by_the_key_set_and_follows_it() {
    let service = Service::start().await;
    let upstream = Upstream::start(Router::new().fallback(async || "behind the gateway")).await;
    let envoy = Envoy::start(service.issuer.name(), "billing", &upstream.url()).await;
    let ask = async || service.ask("orders", &[("grant_type", "client_credentials")]).await.token();

    let first = ask().await;
    envoy.comes_to(&first, StatusCode::OK).await;
    assert_eq!(envoy.status(None).await, StatusCode::UNAUTHORIZED);
    let mint = |audience: &str| {
        let draft = Draft::access_token().subject("ann").audience(audience).client_id("web-shop");
        service.issuer.mint(&draft).expect("minted").as_str().to_owned()
    };
    assert_eq!(envoy.status(Some(&mint("billing"))).await, StatusCode::OK);
    assert_eq!(envoy.status(Some(&mint("ledger"))).await, StatusCode::FORBIDDEN, "made for another service");
    let forged = countersign_test::TestIssuer::with_system_clock().with_name(service.issuer.name());
    let forged = forged.token().subject("ann").audience("billing").sign();
    assert_eq!(envoy.status(Some(&forged)).await, StatusCode::UNAUTHORIZED);

    service.issuer.rotate_now().expect("a key");
    let second = ask().await;
    assert_ne!(segment(&first, 0)["kid"], segment(&second, 0)["kid"]);
    envoy.comes_to(&second, StatusCode::OK).await;
    assert_eq!(envoy.status(Some(&first)).await, StatusCode::OK, "its key is still published");

    let leaked = segment(&first, 0)["kid"].as_str().expect("a kid").to_owned();
    assert_eq!(service.issuer.revoke_key(&leaked), Ok(true));
    envoy.comes_to(&first, StatusCode::UNAUTHORIZED).await;
    assert_eq!(envoy.status(Some(&second)).await, StatusCode::OK);
}
