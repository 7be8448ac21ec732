//! The policy in force with its key sources, and its replacement. Shared by everything that follows a policy.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use countersign_core::clock::Clock;
use countersign_core::error::ConfigError;
use countersign_core::key::{KeySource, RefreshReason};
use countersign_core::policy::{Fingerprint, Policy};
#[cfg(feature = "txn")]
use countersign_core::verify::TransactionVerifier;
use countersign_core::verify::{PolicyReplacer, Verifier, VerifierBuilder};
use tokio::task::JoinSet;

use super::known_keys::{KnownKeys, MakeKeys, source};
#[cfg(feature = "txn")]
use super::transactions::Transactions;
use crate::rt;

/// The longest wait for the keys of new issuers, during which no other policy is read.
const MAX_KEY_WAIT: Duration = Duration::from_secs(5);

/// The policy in force.
pub(super) struct InForce {
    replacer: PolicyReplacer,
    make_keys: Arc<MakeKeys>,
    denies_danger: bool,
    #[cfg(feature = "txn")]
    transactions: Option<Transactions>,
    state: Mutex<State>,
    /// The error of a watch that nobody continues.
    ended: OnceLock<ConfigError>,
}

struct State {
    policy: Arc<Policy>,
    keys: Vec<KnownKeys>,
    /// The key sources of the shadow policy.
    shadow_keys: Vec<KnownKeys>,
    #[cfg(feature = "txn")]
    transaction_keys: Option<KnownKeys>,
}

impl InForce {
    /// Builds the verifier of the first policy.
    pub(super) fn start(
        policy: Policy,
        make_keys: Arc<MakeKeys>,
        denies_danger: bool,
        clock: Arc<dyn Clock>,
    ) -> Result<(Verifier, Self), ConfigError> {
        let policy = denying(policy, denies_danger);
        let (builder, keys) = builder(&policy, &*make_keys, &[]);
        let (verifier, replacer) = builder.clock(Arc::clone(&clock)).build_replaceable()?;
        #[cfg(feature = "txn")]
        let (transactions, transaction_keys) = Transactions::new(&policy, &*make_keys, clock)?;
        let state = State {
            policy: Arc::new(policy),
            keys,
            shadow_keys: Vec::new(),
            #[cfg(feature = "txn")]
            transaction_keys,
        };
        let in_force = InForce {
            replacer,
            make_keys,
            denies_danger,
            #[cfg(feature = "txn")]
            transactions,
            state: Mutex::new(state),
            ended: OnceLock::new(),
        };
        Ok((verifier, in_force))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether anybody uses the policy.
    pub(super) fn has_verifier(&self) -> bool {
        self.replacer.has_verifier()
    }

    /// The policy in force.
    pub(super) fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.state().policy)
    }

    /// The verifier of transaction tokens, if the first policy named their service.
    #[cfg(feature = "txn")]
    pub(super) fn transactions(&self) -> Option<&TransactionVerifier> {
        self.transactions.as_ref().map(|transactions| &transactions.verifier)
    }

    /// Puts a policy in force, and returns its fingerprint; `None` if it is the one in force. If it does not build, the last one
    /// stays.
    pub(super) fn replace(&self, policy: Policy) -> Result<Option<Fingerprint>, ConfigError> {
        let (policy, known) = {
            let state = self.state();
            let policy = denying(policy, self.denies_danger || state.policy.deny_danger);
            if *state.policy == policy {
                return Ok(None);
            }
            (policy, state.keys.clone())
        };
        let (builder, keys) = builder(&policy, &*self.make_keys, &known);
        #[cfg(feature = "txn")]
        let next = {
            let known = self.state().transaction_keys.clone();
            let checked = self.transactions.as_ref().map(|it| it.check(&policy, &*self.make_keys, known.as_ref()));
            checked.transpose()?
        };
        let fingerprint = self.replacer.replace(builder)?;
        #[cfg(feature = "txn")]
        if let Some((transactions, (next, keys))) = self.transactions.as_ref().zip(next) {
            transactions.replace(next)?; // it was checked
            self.state().transaction_keys = Some(keys);
        }
        let mut state = self.state();
        (state.policy, state.keys) = (Arc::new(policy), keys);
        Ok(Some(fingerprint))
    }

    /// Compares a policy with the one in force. Issuers with the same location of keys share their source.
    pub(super) fn shadow(&self, policy: Policy, one_in: u32) -> Result<Fingerprint, ConfigError> {
        let (policy, known) = {
            let state = self.state();
            let known = state.keys.iter().chain(&state.shadow_keys).cloned().collect::<Vec<_>>();
            (denying(policy, self.denies_danger || state.policy.deny_danger), known)
        };
        let (builder, keys) = builder(&policy, &*self.make_keys, &known);
        let fingerprint = self.replacer.shadow(builder, one_in)?;
        self.state().shadow_keys = keys;
        Ok(fingerprint)
    }

    /// Compares nothing any more.
    pub(super) fn end_shadow(&self) {
        self.replacer.end_shadow();
        self.state().shadow_keys = Vec::new();
    }

    /// Fetches the keys of issuers that only the shadow policy has. No request does.
    pub(super) async fn fetch_shadow_keys(&self) {
        let sources = self.state().shadow_keys.iter().map(|(_, source)| Arc::clone(source)).collect();
        fetch_missing(sources).await;
    }

    /// Records the error of the last attempt to get a newer policy, or none. A watch that has ended stays an error: the policy may
    /// change unnoticed.
    pub(super) fn record(&self, error: Option<ConfigError>) {
        self.replacer.record_error(error.or_else(|| self.ended.get().cloned()));
    }

    /// Records that nobody looks for a newer policy any more.
    pub(super) fn end(&self, error: ConfigError) {
        let _ = self.ended.set(error);
        self.record(None);
    }

    /// Fetches the keys of new issuers before requests need them. The policy is in force already. A source that takes longer
    /// is asked again by the requests that need it.
    pub(super) async fn fetch_new_keys(&self) {
        let sources: Vec<_> = {
            let state = self.state();
            let keys = state.keys.iter();
            #[cfg(feature = "txn")]
            let keys = keys.chain(&state.transaction_keys);
            keys.map(|(_, source)| Arc::clone(source)).collect()
        };
        fetch_missing(sources).await;
    }
}

async fn fetch_missing(sources: Vec<Arc<dyn KeySource>>) {
    let mut refreshes = JoinSet::new();
    for source in sources.into_iter().filter(|source| !source.describe().health.is_ready()) {
        refreshes.spawn(async move { source.refresh(RefreshReason::NoUsableKeys).await });
    }
    let all = async { while refreshes.join_next().await.is_some() {} };
    let _ = rt::within(MAX_KEY_WAIT, all).await;
}

/// The policy; if dangers are denied, it states so too, for the outbound client that is made of it.
fn denying(mut policy: Policy, denies_danger: bool) -> Policy {
    policy.deny_danger |= denies_danger;
    policy
}

/// The builder of the policy's verifier, and its key sources. Issuers with the same location of keys keep their source.
fn builder(policy: &Policy, make_keys: &MakeKeys, known: &[KnownKeys]) -> (VerifierBuilder, Vec<KnownKeys>) {
    let mut keys = Vec::new();
    let builder = Verifier::builder().policy(policy, |issuer| {
        let found = source(issuer, make_keys, known)?;
        let source = Arc::clone(&found.1);
        keys.push(found);
        Ok(source)
    });
    (builder, keys)
}
