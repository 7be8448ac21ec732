//! A policy that follows its file.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_core::error::ConfigError;
use countersign_core::policy::Policy;
#[cfg(feature = "txn")]
use countersign_core::verify::TransactionVerifier;
use countersign_core::verify::Verifier;
use tokio::task::JoinSet;

use super::content;
use super::file::PolicyFile;
use super::in_force::InForce;
use super::shadow::{Next, ShadowPolicy, ShadowReport, ShadowWatch};
use crate::{file, rt, telemetry};

/// The pause after which a changed file must have the same content, so that a file in the middle of a write is not read.
const SETTLE: Duration = Duration::from_millis(100);

/// The reads of a file that goes on changing.
const MAX_READS: usize = 20;

/// The longest read of the file.
const MAX_READ: Duration = Duration::from_secs(10);

/// A policy in force, which follows its [`PolicyFile`].
///
/// ```no_run
/// use countersign::reload::PolicyFile;
///
/// # async fn example() -> Result<(), countersign::error::ConfigError> {
/// let policy = PolicyFile::new("/etc/orders/policy.toml").build()?;
/// println!("{}", policy.verifier().fingerprint());
/// let is_new = policy.reload().await?; // now, such as on SIGHUP
/// # let _ = is_new;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct WatchedPolicy {
    verifier: Verifier,
    watch: Arc<Watch>,
}

struct Watch {
    path: PathBuf,
    policy: InForce,
    shadow: Option<ShadowWatch>,
    /// One reload at a time.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The text of the policy in force.
    text: String,
    /// The last text or error that was reported as refused.
    refused: Option<Result<String, String>>,
}

impl PolicyFile {
    /// Reads the file, builds the verifier and watches the file. The watch ends with the last clone of the verifier.
    ///
    /// # Errors
    /// `ConfigError` on field `policy_file` if the file cannot be read, on `interval` if it is zero, on `runtime` outside a
    /// tokio runtime, and as for [`Policy`](countersign_core::policy::Policy) and
    /// [`VerifierBuilder::build`](countersign_core::verify::VerifierBuilder::build).
    pub fn build(self) -> Result<WatchedPolicy, ConfigError> {
        WatchedPolicy::start(self)
    }
}

impl WatchedPolicy {
    fn start(file: PolicyFile) -> Result<Self, ConfigError> {
        if file.interval.is_zero() {
            return Err(ConfigError::new("interval", "zero; set the time between two reads of the file"));
        }
        ConfigError::check(file.shadow.iter().flat_map(ShadowPolicy::faults).collect())?;
        if !rt::has_runtime() {
            return Err(ConfigError::new(
                "runtime",
                "missing; build it inside a tokio runtime, which watches the file",
            ));
        }
        let text = content::read(&file.path)?;
        let first = content::parse(&text)?;
        let (verifier, policy) = InForce::start(first, file.keys, file.denies_danger, file.clock)?;
        let (turn, state) = (tokio::sync::Mutex::default(), Mutex::new(State { text, refused: None }));
        let shadow = file.shadow.map(ShadowWatch::new);
        if let Some(shadow) = &shadow {
            let read = content::read_if_there(shadow.file()?);
            shadow.take(&policy, read, false, shadow_of);
        }
        let watch = Arc::new(Watch { path: file.path, policy, shadow, turn, state });
        rt::spawn(follow(Following(Arc::clone(&watch)), file.interval));
        Ok(WatchedPolicy { verifier, watch })
    }

    /// The verifier, for layers, [`Health`](crate::health::Health) and others: all of its clones follow the file.
    #[must_use]
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// The verifier of transaction tokens, if the policy named their service when it was first read. All of its clones follow the
    /// file, except for the trust domain: another one, or none, is refused like a faulty policy.
    ///
    /// ```
    /// use countersign::error::ConfigError;
    /// use countersign::prelude::*;
    /// use countersign::reload::WatchedPolicy;
    ///
    /// fn layer(policy: &WatchedPolicy) -> Result<AuthenticateLayer, ConfigError> {
    ///     let missing = || ConfigError::new("transactions", "missing; name the trust domain and its service");
    ///     let transactions = policy.transactions().ok_or_else(missing)?;
    ///     AuthenticateLayer::builder(policy.verifier().clone()).transaction_tokens(transactions.clone()).build()
    /// }
    /// # let _ = layer;
    /// ```
    #[cfg(feature = "txn")]
    #[must_use]
    pub fn transactions(&self) -> Option<&TransactionVerifier> {
        self.watch.policy.transactions()
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        self.watch.policy.policy()
    }

    /// The differences that the shadow policy would make; `None` without one. [`ShadowPolicy`](super::ShadowPolicy) has an example.
    #[must_use]
    pub fn shadow(&self) -> Option<ShadowReport> {
        self.watch.shadow.as_ref().map(|shadow| shadow.report(&self.verifier))
    }

    /// Reads the file now, such as on a signal, and the one of the shadow policy. Returns whether another policy is in force.
    ///
    /// # Errors
    /// The error of the file or of its policy; the last good policy stays in force.
    pub async fn reload(&self) -> Result<bool, ConfigError> {
        self.watch.reload().await
    }
}

impl Watch {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn reload(self: &Arc<Self>) -> Result<bool, ConfigError> {
        let _turn = self.turn.lock().await;
        let result = self.reload_policy().await;
        self.reload_shadow(result == Ok(true)).await;
        result
    }

    /// The shadow policy changes no result.
    async fn reload_shadow(&self, is_replaced: bool) {
        let Some(shadow) = &self.shadow else { return };
        let read = match shadow.file() {
            Ok(path) => {
                within_time(file::in_turn(path, {
                    let path = path.to_owned();
                    move || content::read_if_there(&path)
                }))
                .await
            }
            Err(error) => Err(error),
        };
        if shadow.take(&self.policy, read, is_replaced, shadow_of) {
            self.policy.fetch_shadow_keys().await;
        }
    }

    async fn reload_policy(self: &Arc<Self>) -> Result<bool, ConfigError> {
        let read = self.read_settled().await;
        let is_current = read.as_ref().is_ok_and(|text| *text == self.state().text);
        if is_current {
            if self.state().refused.take().is_some() {
                telemetry::policy_usable(&self.path);
            }
            self.policy.record(None);
            return Ok(false);
        }
        let seen = read.as_ref().cloned().map_err(ToString::to_string);
        let result = read.and_then(|text| self.replace(text));
        match &result {
            Ok(is_new) => {
                self.state().refused = None;
                self.policy.record(None);
                if *is_new {
                    self.policy.fetch_new_keys().await;
                }
            }
            Err(error) => {
                self.policy.record(Some(error.clone()));
                let is_reported = self.state().refused.replace(seen.clone()) == Some(seen);
                if !is_reported {
                    telemetry::policy_refused(&self.path, error);
                }
            }
        }
        result
    }

    /// Records an error that is not one of the file.
    fn record_fault(&self, error: ConfigError) {
        telemetry::policy_refused(&self.path, &error);
        self.state().refused = None; // the next reload reports its own
        self.policy.record(Some(error));
    }

    /// Reads the file; a changed one until two reads are equal.
    async fn read_settled(self: &Arc<Self>) -> Result<String, ConfigError> {
        let mut text = self.read().await?;
        for _ in 0..MAX_READS {
            if text == self.state().text {
                return Ok(text);
            }
            rt::sleep(SETTLE).await;
            let again = self.read().await?;
            if again == text {
                return Ok(again);
            }
            text = again;
        }
        Err(ConfigError::new("policy_file", "changes all the time; replace it by a rename"))
    }

    async fn read(self: &Arc<Self>) -> Result<String, ConfigError> {
        let watch = Arc::clone(self);
        within_time(file::in_turn(&self.path, move || content::read(&watch.path))).await
    }

    /// Puts the policy of `text` in force; returns whether it is another one.
    fn replace(&self, text: String) -> Result<bool, ConfigError> {
        let replaced = self.policy.replace(content::parse(&text)?)?;
        self.state().text = text;
        if let Some(fingerprint) = &replaced {
            telemetry::policy_replaced(&self.path, fingerprint);
        }
        Ok(replaced.is_some())
    }
}

/// The result of a read, unless it takes too long.
async fn within_time<T>(read: impl Future<Output = Option<Result<T, ConfigError>>>) -> Result<T, ConfigError> {
    let fault = |problem| Err(ConfigError::new("policy_file", problem));
    match rt::within(MAX_READ, read).await {
        Some(Some(read)) => read,
        Some(None) => fault("not readable: the read was aborted"),
        None => fault("not readable: the read takes over 10 s; its disk may hang"),
    }
}

/// The shadow policy of a file, which has no revision.
fn shadow_of(text: &str) -> Result<Next, ConfigError> {
    content::parse(text).map(|policy| Some((policy, None)))
}

/// Reads the file at each interval, until no verifier is left.
async fn follow(following: Following, interval: Duration) {
    let watch = &following.0;
    watch.policy.fetch_shadow_keys().await;
    loop {
        rt::sleep(interval).await;
        if !watch.policy.has_verifier() {
            return;
        }
        let mut reload = JoinSet::new();
        let reloaded = Arc::clone(watch);
        reload.spawn(async move { reloaded.reload().await }); // an error is logged and recorded
        if let Some(Err(error)) = reload.join_next().await
            && error.is_panic()
        {
            let problem =
                "the reload panicked, perhaps in the function that makes key sources; see the panic's message";
            watch.record_fault(ConfigError::new("policy_file", problem));
        }
    }
}

/// The task that follows the file. If it ends before the last verifier, such as with its runtime, that is an error.
struct Following(Arc<Watch>);

impl Drop for Following {
    fn drop(&mut self) {
        if self.0.policy.has_verifier() {
            self.0.policy.end(ended());
            self.0.record_fault(ended());
        }
    }
}

fn ended() -> ConfigError {
    ConfigError::new(
        "policy_file",
        "not watched any more: the runtime of its task has ended; build it on one that stays",
    )
}

impl fmt::Debug for WatchedPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchedPolicy").field("path", &self.watch.path).field("verifier", &self.verifier).finish()
    }
}

#[cfg(test)]
mod tests {
    use countersign_core::key::{Algorithm, KeySource, StaticKeys};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn s15_02_a_read_of_the_policy_that_hangs_is_reported_and_ends() {
        let path = std::env::temp_dir().join(format!("countersign-hanging-policy-{}", std::process::id()));
        let issuer = r#"{"issuer":"https://id.test","audience":"orders"}"#;
        std::fs::write(&path, format!(r#"{{"issuers":[{issuer}]}}"#)).expect("written");
        let keys = countersign_core::mint::Signer::generate(Algorithm::ES256).expect("a key");
        let keys: Arc<dyn KeySource> = Arc::new(StaticKeys::new(keys.verifying_key()));
        let policy = PolicyFile::new(&path).keys(move |_| Ok(Arc::clone(&keys))).interval(Duration::from_secs(3600));
        let policy = policy.build().expect("sound");
        let hanging = file::turn(&path).await; // of a thread that does not come back
        let error = policy.reload().await.expect_err("no answer").to_string();
        assert!(error.contains("disk may hang"), "{error}");
        drop(hanging);
        assert_eq!(policy.reload().await, Ok(false));
        std::fs::remove_file(&path).expect("removed");
    }
}
