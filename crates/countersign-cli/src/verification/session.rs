//! A verifier built from verification settings, with its keys and runtime.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use countersign::clock::Clock;
use countersign::connection::ConnectionSettings;
use countersign::error::ConfigError;
use countersign::health::Health;
use countersign::integration::read_text;
use countersign::key::{Algorithm, KeyHealth, KeySource, MAX_JWKS_BYTES, StaticKeys};
use countersign::keys::{self, RemoteKeys};
use countersign::policy::{KeysConfig, TrustedIssuerConfig};
use countersign::revocation::{RevocationCheck, RevocationQuery, RevocationStatus};
use countersign::status::StatusLists;
use countersign::token::Unverified;
use countersign::verify::{Report, Verdict, Verified, Verifier};
use countersign_core::integration::{Possession, Step, Uncached, add_status_check};
use tokio::runtime::Runtime;

use super::options::VerifyClock;
use super::settings::{KeyLocation, Settings};
use crate::exit::Failure;
use crate::{keyfile, output, runtime};

/// Maximum number of cached verifiers for a pinned PEM key.
const MAX_PINNED_NAMES: usize = 64;

/// Verification settings and the verifier built from them.
pub(crate) struct Session {
    settings: Settings,
    clock: Arc<VerifyClock>,
    runtime: Runtime,
    verifiers: Verifiers,
    /// The status lists that the policy names, for the one verifier.
    lists: Option<StatusLists>,
}

enum Verifiers {
    /// One verifier for all tokens.
    One(Verifier),
    /// The user pinned one key: it is used for every `kid`.
    Pinned { pem: String, nameless: Verifier, by_key_id: HashMap<String, Verifier> },
}

impl Session {
    /// Builds the verifier; reports every fault of the settings.
    pub(crate) fn new(settings: Settings) -> Result<Self, Failure> {
        let runtime = runtime::current_thread()?;
        let clock = Arc::new(VerifyClock(settings.now));
        let verifiers = match &settings.keys {
            Some(KeyLocation::Pem { text, .. }) => {
                let nameless = pinned(&settings, &clock, text, None)?;
                Verifiers::Pinned { pem: text.clone(), nameless, by_key_id: HashMap::new() }
            }
            location => {
                let source = location.as_ref().map(|location| key_source(location, &settings)).transpose()?;
                Verifiers::One(verifier(&settings, &clock, |issuer| {
                    source.clone().map_or_else(|| policy_source(issuer), Ok)
                })?)
            }
        };
        Ok(Session { settings, clock, runtime, verifiers, lists: None })
    }

    /// The verification time, in seconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        i64::try_from(self.clock.now().as_secs()).unwrap_or(i64::MAX)
    }

    /// Verifies `token`; waits for keys if necessary.
    pub(crate) fn report(&mut self, token: &str) -> Report {
        let verifier = self.verifier_for(token);
        let report = self.runtime.block_on(verifier.explain(token));
        self.with_status(report, &verifier, token, &Possession::default())
    }

    /// The report with the status of an accepted token, if the policy names status lists of its issuer.
    pub(crate) fn with_status(
        &mut self,
        mut report: Report,
        verifier: &Verifier,
        token: &str,
        sender: &Possession,
    ) -> Report {
        if !report.is_accepted() || !self.has_status_lists() {
            return report;
        }
        let verified = match verifier.cached_with(token, sender).map_err(Uncached::verify_with_cached_keys) {
            Ok(verified) | Err(Step::Done(Ok(verified))) => verified,
            Err(_) => return report, // its keys came with the report
        };
        if verified.status_list_rules().is_none() {
            return report;
        }
        let made;
        let lists = match &self.verifiers {
            Verifiers::One(_) => &*self.lists.get_or_insert_with(|| StatusLists::new(verifier)),
            Verifiers::Pinned { .. } => {
                made = StatusLists::new(verifier);
                &made
            }
        };
        let status = self.runtime.block_on(async {
            match lists.check(&verified) {
                RevocationQuery::Known(status) => status,
                RevocationQuery::Pending(status) => status.await,
                _ => RevocationStatus::Unknown,
            }
        });
        let place = verified.status_reference();
        let found = place.map(|place| format!("index {} of {}", place.index(), place.uri()));
        let failure =
            || lists.report().into_iter().find_map(|state| state.last_failure).map_or("", |failure| failure.code());
        add_status_check(&mut report, found, verdict(status, place.is_some(), failure()));
        report
    }

    /// Returns whether the policy names status lists of an issuer.
    pub(crate) fn has_status_lists(&self) -> bool {
        self.settings.policy.issuers.iter().any(|issuer| issuer.status_lists.is_some())
    }

    /// The verified token, for its authorities; `None` if it is not accepted.
    pub(crate) fn verified(&mut self, token: &str) -> Option<Arc<Verified>> {
        let verifier = self.verifier_for(token);
        self.runtime.block_on(verifier.verify(token)).ok()
    }

    /// The reasons why keys of the token's verifier are missing, each with its issuer.
    pub(crate) fn key_failures(&mut self, token: &str) -> Vec<String> {
        let report = Health::new(&self.verifier_for(token)).report();
        let failures = report.into_iter().filter_map(|(issuer, health)| match health {
            KeyHealth::NotReady { reason } => Some(format!("{issuer}: {reason}")),
            _ => None,
        });
        failures.collect()
    }

    /// Runs `work` on the session's runtime.
    pub(crate) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Enters the session's runtime, for what is built within one.
    pub(crate) fn enter(&self) -> tokio::runtime::EnterGuard<'_> {
        self.runtime.enter()
    }

    /// The verifier for `token`, for use from other threads.
    pub(crate) fn verifier_for(&mut self, token: &str) -> Verifier {
        match &mut self.verifiers {
            Verifiers::One(verifier) => verifier.clone(),
            Verifiers::Pinned { pem, nameless, by_key_id } => {
                let key_id = Unverified::parse(token).ok().and_then(|token| token.key_id().map(str::to_owned));
                let Some(key_id) = key_id else { return nameless.clone() };
                if let Some(ready) = by_key_id.get(&key_id) {
                    return ready.clone();
                }
                if by_key_id.len() >= MAX_PINNED_NAMES {
                    by_key_id.clear();
                }
                match pinned(&self.settings, &self.clock, pem, Some(&key_id)) {
                    Ok(verifier) => by_key_id.entry(key_id).or_insert(verifier).clone(),
                    Err(_) => nameless.clone(), // refuses every kid
                }
            }
        }
    }

    /// The origin of the keys for the token of `report`, as text.
    pub(crate) fn origin(&self, report: &Report) -> String {
        let issuers = &self.settings.policy.issuers;
        let claimed = report.claims.as_ref().and_then(|claims| claims.get("iss")?.as_str());
        let issuer =
            issuers.iter().find(|issuer| Some(issuer.issuer.as_str()) == claimed).or(match issuers.as_slice() {
                [only] => Some(only),
                _ => None,
            });
        match (issuer, &self.settings.keys) {
            (Some(issuer), Some(location)) => location.origin(&issuer.issuer),
            (Some(issuer), None) => origin(issuer),
            (None, _) => "none: the policy names no keys for this issuer".to_owned(),
        }
    }

    /// Returns whether one verifier serves all tokens.
    pub(crate) fn has_one_verifier(&self) -> bool {
        matches!(self.verifiers, Verifiers::One(_))
    }
}

/// The decision about a token of this status, as a layer makes it. `failure` is the kind of the last failed fetch.
fn verdict(status: RevocationStatus, is_listed: bool, failure: &str) -> Verdict {
    let rejected = |code, message: &str| Verdict::Rejected { code, message: message.to_owned() };
    match status {
        RevocationStatus::Valid => Verdict::Accepted,
        RevocationStatus::Suspended => rejected("suspended", "its status list says that it is suspended"),
        RevocationStatus::Revoked if is_listed => rejected("revoked", "its status list says that it is revoked"),
        RevocationStatus::Revoked => rejected("revoked", "it names no status list, and the policy requires one"),
        _ => {
            let why = match failure {
                "" => "its address is not permitted, or cannot be read".to_owned(),
                failure => format!("the list is {failure}"),
            };
            Verdict::Undecided { code: "revocation_unavailable", message: format!("its status is unknown: {why}") }
        }
    }
}

/// A report without waiting; `None` if keys must be fetched first.
pub(crate) fn report_without_waiting(verifier: &Verifier, token: &str) -> Option<Report> {
    let report = verifier.explain_with_cached_keys(token);
    let is_decided = !matches!(report.verdict, Verdict::Undecided { .. });
    is_decided.then_some(report)
}

fn pinned(settings: &Settings, clock: &Arc<VerifyClock>, pem: &str, key_id: Option<&str>) -> Result<Verifier, Failure> {
    let keys = keyfile::from_pem(pem, &algorithms(settings), key_id)?;
    let source: Arc<dyn KeySource> = Arc::new(StaticKeys::new(keys));
    verifier(settings, clock, |_| Ok(Arc::clone(&source)))
}

fn verifier(
    settings: &Settings,
    clock: &Arc<VerifyClock>,
    keys: impl FnMut(&TrustedIssuerConfig) -> Result<Arc<dyn KeySource>, ConfigError>,
) -> Result<Verifier, Failure> {
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    Ok(Verifier::builder().policy(&settings.policy, keys).clock(clock).build()?)
}

/// The algorithms that any configured issuer allows.
fn algorithms(settings: &Settings) -> Vec<Algorithm> {
    let allowed =
        |issuer: &TrustedIssuerConfig| issuer.algorithms.clone().unwrap_or_else(|| Algorithm::DEFAULT.to_vec());
    settings.policy.issuers.iter().flat_map(allowed).collect()
}

/// The key source for keys named by options, which implies a single issuer.
fn key_source(location: &KeyLocation, settings: &Settings) -> Result<Arc<dyn KeySource>, Failure> {
    Ok(match location {
        KeyLocation::Set { text, .. } => {
            let loaded = keyfile::from_jwks(text, &algorithms(settings))?;
            if loaded.keys.is_empty() {
                output::warn(&format!("no usable key: {}", loaded.skipped.join("; ")));
            }
            Arc::new(StaticKeys::new(loaded.keys))
        }
        KeyLocation::Pem { text, .. } => {
            Arc::new(StaticKeys::new(keyfile::from_pem(text, &algorithms(settings), None)?))
        }
        KeyLocation::Address(url) => Arc::new(remote(settings, RemoteKeys::from_url(url))?),
        KeyLocation::Discovery => {
            let issuer = settings.policy.issuers.first().map(|issuer| issuer.issuer.as_str()).unwrap_or_default();
            Arc::new(remote(settings, RemoteKeys::from_issuer(issuer))?)
        }
    })
}

/// Keys with the connection settings of the single issuer, and with its permission of plain HTTP.
fn remote(settings: &Settings, keys: RemoteKeys) -> Result<RemoteKeys, Failure> {
    let issuer = settings.policy.issuers.first();
    let is_plain = issuer.is_some_and(|issuer| issuer.danger_plain_http);
    let keys = if is_plain { keys.danger_allow_plain_http() } else { keys };
    let config = issuer.and_then(|issuer| issuer.connection.as_ref()).or(settings.policy.connection.as_ref());
    Ok(match config {
        Some(config) => keys.connection(ConnectionSettings::from_config(config)?),
        None => keys,
    })
}

/// The key source that a policy names for one of its issuers, as a service builds it.
fn policy_source(issuer: &TrustedIssuerConfig) -> Result<Arc<dyn KeySource>, ConfigError> {
    if let KeysConfig::File(path) | KeysConfig::SpiffeBundleFile(path) = &issuer.keys {
        // As the source reads it: a pipe would wait for a writer.
        let read = read_text(Path::new(path), MAX_JWKS_BYTES);
        read.map_err(|error| ConfigError::new("keys", format!("{path}: {error}")))?;
    }
    keys::from_config(issuer)
}

/// The location of the keys of a policy's issuer, as text.
fn origin(issuer: &TrustedIssuerConfig) -> String {
    match &issuer.keys {
        KeysConfig::Discovery => format!("discovery at {}", issuer.issuer),
        KeysConfig::JwksUrl(url) => format!("the key set at {url}"),
        KeysConfig::File(path) => format!("the file {path}"),
        KeysConfig::Kubernetes => "the Kubernetes cluster".to_owned(),
        KeysConfig::SpiffeBundleFile(path) => format!("the trust bundle {path}"),
        KeysConfig::SpiffeBundleUrl(url) => format!("the trust bundle at {url}"),
        KeysConfig::ApiKeys => "no key, because its callers have API keys".to_owned(),
        _ => "the policy itself".to_owned(),
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}
