//! State of a running inspector: test keys, an HTTP client for local services, and its own address.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign::key::Algorithm;
use countersign::mint::Signer;
use countersign_test::{KEY_ID_PREFIX, TestIssuer};
use reqwest::{Client, Url, redirect};
use serde_json::{Value, json};

use crate::exit::Failure;
use crate::fetch::is_loopback;
use crate::tools::secret;
use crate::verification::{Session, Settings};

/// Timeout for the response of a local service.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Timeout for a connection to it.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// The state of one run.
#[derive(Debug)]
pub(super) struct Inspector {
    /// Authenticates the user who started this run: only the address that was opened and printed holds it.
    pub(super) secret: String,
    /// `http://127.0.0.1:PORT`
    pub(super) address: String,
    /// An issuer of the test kit, named by the inspector's address.
    pub(super) kit: TestIssuer,
    pub(super) client: Client,
    fresh: Mutex<BTreeMap<Algorithm, Arc<Signer>>>,
    /// The last session and its settings, so that checks while somebody types fetch nothing again.
    session: Mutex<Option<(Settings, Session)>>,
    /// Allowed hosts beyond loopback.
    hosts: Vec<String>,
}

impl Inspector {
    pub(super) fn new(address: String, hosts: Vec<String>) -> Result<Self, Failure> {
        let client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none()) // a token is sent only to the address that was entered
            .connect_timeout(CONNECT_WITHIN)
            .timeout(ANSWER_WITHIN)
            .user_agent(concat!("countersign-inspector/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|_| Failure::usage("the HTTP client could not be set up; are there root certificates?"))?;
        let kit = TestIssuer::with_system_clock().with_name(&address);
        Ok(Inspector {
            secret: secret::random(),
            address,
            kit,
            client,
            fresh: Mutex::default(),
            session: Mutex::default(),
            hosts,
        })
    }

    /// The last session, if it has these settings.
    pub(super) fn take_session(&self, settings: &Settings) -> Option<Session> {
        let mut last = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        last.take_if(|(known, _)| known == settings).map(|(_, session)| session)
    }

    pub(super) fn keep_session(&self, settings: Settings, session: Session) {
        let replaced = self.session.lock().unwrap_or_else(PoisonError::into_inner).replace((settings, session));
        drop(replaced);
    }

    /// The test key of this run for `algorithm`, generated on first use.
    pub(super) fn signer(&self, algorithm: Algorithm) -> Result<Arc<Signer>, Failure> {
        let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signer) = fresh.get(&algorithm) {
            return Ok(Arc::clone(signer));
        }
        let signer = Signer::generate(algorithm).map_err(|reason| Failure::usage(reason.to_string()))?;
        let name = format!("{KEY_ID_PREFIX}fresh-{}", algorithm.name().to_ascii_lowercase());
        let signer = Arc::new(signer.with_key_id(&name));
        fresh.insert(algorithm, Arc::clone(&signer));
        Ok(signer)
    }

    /// The public parts of all test keys.
    pub(super) fn jwks(&self) -> Value {
        let mut set: Value = serde_json::from_str(&self.kit.jwks()).unwrap_or_else(|_| json!({ "keys": [] }));
        let fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keys) = set.get_mut("keys").and_then(Value::as_array_mut) {
            keys.extend(fresh.values().filter_map(|signer| signer.public_jwk()));
        }
        set
    }

    /// Parses `url` and checks that its host is loopback or was allowed at start-up.
    pub(super) fn local(&self, url: &str) -> Result<Url, Failure> {
        let parsed = Url::parse(url.trim())
            .map_err(|_| Failure::usage("not a URL; write it as http://127.0.0.1:3000/orders"))?;
        if !matches!(parsed.scheme(), "http" | "https") || !parsed.username().is_empty() || parsed.password().is_some()
        {
            return Err(Failure::usage("only http and https are allowed, without a user part"));
        }
        let host = parsed.host_str().unwrap_or_default();
        if is_loopback(host) || self.hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host)) {
            return Ok(parsed);
        }
        Err(Failure::usage(format!(
            "{} is not on this machine; start with --allow-host {} to send tokens there",
            crate::output::safe(host),
            crate::output::safe(host)
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_and_allowed_hosts_are_accepted() {
        let state =
            Inspector::new("http://127.0.0.1:1".to_owned(), vec!["stage.internal".to_owned()]).expect("a client");
        for allowed in
            ["http://127.0.0.1:3000/a", "http://localhost/", "http://[::1]:3000/", "https://STAGE.internal/x"]
        {
            assert!(state.local(allowed).is_ok(), "{allowed}");
        }
        for refused in [
            "https://example.com/",
            "http://stage.internal.example.com/",
            "http://127.0.0.1.example.com/",
            "http://localhost.example.com/",
            "http://0.0.0.0/",
            "http://10.0.0.1/",
            "http://[::ffff:10.0.0.1]/",
            "http://127.0.0.1@example.com/",
            "http://user:secret@127.0.0.1/",
            "ftp://127.0.0.1/",
            "127.0.0.1",
        ] {
            assert!(state.local(refused).is_err(), "{refused}");
        }
    }
}
