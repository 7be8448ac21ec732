//! Used proofs in Redis or Valkey.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign::clock::{Clock, UnixTime};
use countersign::error::{ConfigError, Fault};
use countersign::integration::ReplayCounts;
use countersign::proof::{ProofUse, ReplayOutcome, ReplayQuery, ReplayStats, ReplayStore};

use super::keys::{Keys, PARTS_OF_A_CLUSTER, WINDOW_SECONDS};
use super::script::{Answer, Call, INSERT};
use crate::link::{Effect, Failure, Link};
use crate::settings::RedisSettings;

/// The most proofs of one issuer within 64 s.
const MAX_PROOFS: u64 = 524_288;

/// The time by which the clocks of a service and of the server may differ.
const CLOCK_DIFFERENCE: Duration = Duration::from_secs(5);

/// The shortest difference of clocks that can be set: times are whole seconds, and the second may end on the way.
const SHORTEST_CLOCK_DIFFERENCE: Duration = Duration::from_secs(1);

/// The longest difference of clocks that can be set: a record is kept for 60 s after the end of its proof.
const LONGEST_CLOCK_DIFFERENCE: Duration = Duration::from_secs(30);

/// The time by which the clock of a client may be ahead of the service's, for every layer.
const MAX_AHEAD: Duration = Duration::from_secs(10);

/// Remembers used proofs in Redis or Valkey, so that each counts once for all instances of a service.
///
/// ```no_run
/// use std::sync::Arc;
/// use countersign::error::ConfigError;
/// use countersign::prelude::*;
/// use countersign::proof::Dpop;
/// use countersign::secret::Secret;
/// use countersign_redis::{RedisReplays, RedisSettings};
///
/// async fn layer(verifier: Verifier) -> Result<AuthenticateLayer, ConfigError> {
///     let replays = RedisReplays::connect(RedisSettings::new(Secret::from_env("REDIS_URL")?)).await?;
///     let dpop = Dpop::at("https://api.example.com").replay_store(Arc::new(replays));
///     AuthenticateLayer::builder(verifier).dpop(dpop).build()
/// }
/// # let _ = layer;
/// ```
///
/// One script compares and records in one step. Requests get 503, and none is let in, while the server cannot be reached, does
/// not answer in time, is a read-only replica or has no memory left.
///
/// # What is lost with the memory of a server
///
/// The server notes since when it remembers, together with its replication id. The id is another one after each start, with the
/// data or without, and after a replica became the primary; the note is gone after `FLUSHALL`. From then on, proofs that were
/// made before are refused with 401. The clock of a client may be 10 s ahead, so a proof that was used just before the loss may
/// have a time after it: for 16 s, which are these 10 s, the [difference of clocks](Self::clock_difference) and a second,
/// all proofs get 503. A new server begins with these 16 s as well, counted from the first service that connects.
///
/// Not covered: two servers that both believe to be the primary, while the network is divided, so that a proof may count once at
/// each (`min-replicas-to-write 1` bounds that time, and with [sentinels](RedisSettings::sentinels) a service that reaches most of
/// them leaves the old one within about four seconds after their decision); a server whose clock is set ahead and back while no service uses it; and
/// somebody who deletes single keys.
///
/// # What the server needs
///
/// Redis 6.2 or newer, or Valkey. `maxmemory-policy noeviction`: any other policy removes used proofs when the memory is full, and
/// a connection to such a server with a `maxmemory` is refused. The memory: a proof takes about 150 bytes for 132 s, and so does
/// each subject that sends any.
///
/// The user needs these commands, for keys with the [prefix](RedisSettings::prefix):
///
/// ```text
/// ACL SETUSER orders on >password resetkeys ~countersign:* resetchannels -@all +eval +evalsha +info +time +get +set +exists +incr +expire
/// ```
///
/// In a cluster it also needs `+cluster|slots`, and the same user on each node.
///
/// # Shares
///
/// Of one issuer, 524,288 proofs are recorded within 64 s, over all instances. One client gets at most half of what is free to its
/// issuer, and one subject half of what is free to its client: about 2,000 requests a second for a user, and 4,000 for a
/// service that calls for itself. Others are still served, and its own further proofs get 503.
pub struct RedisReplays {
    link: Arc<Link>,
    keys: Keys,
    max_proofs: u64,
    clock_difference: Duration,
    counts: Arc<ReplayCounts>,
}

impl RedisReplays {
    /// Connects, and waits until the server has answered.
    ///
    /// # Errors
    /// `ConfigError` if the settings are faulty, or if the server cannot be used: it is not reached, refuses the user, or would
    /// remove used proofs.
    pub async fn connect(settings: RedisSettings) -> Result<Self, ConfigError> {
        let replays = Self::connect_in_background(settings)?;
        let connected = replays.link.connected().await;
        connected.map_err(|failure| ConfigError::new("redis", failure.words()))?;
        Ok(replays)
    }

    /// Begins to connect, so that a service starts while the server is away. Until it is reached, proofs get 503.
    ///
    /// ```no_run
    /// use countersign_redis::{RedisReplays, RedisSettings};
    ///
    /// # async fn start() -> Result<(), countersign::error::ConfigError> {
    /// let replays = RedisReplays::connect_in_background(RedisSettings::new("unix:///run/redis/redis.sock"))?;
    /// # let _ = replays;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `ConfigError` if the settings are faulty, or outside of a tokio runtime.
    #[expect(clippy::needless_pass_by_value, reason = "the settings are of no further use")]
    pub fn connect_in_background(settings: RedisSettings) -> Result<Self, ConfigError> {
        let place = settings.check()?;
        let parts = if place.is_cluster { PARTS_OF_A_CLUSTER } else { 1 };
        let keys = Keys { prefix: place.prefix.clone(), parts };
        // Each part remembers from the first connection on, and not only from its first proof, which would be refused.
        let begin = |part| INSERT.with_text(&[keys.since(part)], &[0; 0]);
        let link = Link::start(place, (0..parts).map(begin).collect(), Effect::Unavailable);
        let link = link.map_err(|failure| ConfigError::new("redis", failure.words()))?;
        Ok(RedisReplays {
            link: Arc::new(link),
            keys,
            max_proofs: MAX_PROOFS,
            clock_difference: CLOCK_DIFFERENCE,
            counts: Arc::default(),
        })
    }

    /// Sets about how many proofs of one issuer are recorded within 64 s. Default: 524,288. Set the same number at each
    /// instance.
    #[must_use]
    pub fn max_proofs(mut self, proofs: u64) -> Self {
        self.max_proofs = proofs;
        self
    }

    /// Sets by how much the clocks of services and of the server may differ. Default: 5 s, from 1 s to 30 s.
    ///
    /// A service whose clock differs more from the server's gets 503 for its proofs. Set the same at each instance. After the
    /// server lost its memory, proofs get 503 for this time and 11 s.
    #[must_use]
    pub fn clock_difference(mut self, difference: Duration) -> Self {
        self.clock_difference = difference;
        self
    }

    fn call(&self, proof: &ProofUse<'_>) -> Call {
        let difference = self.clock_difference.as_secs();
        let times = [proof.now(), proof.issued_at(), proof.keep_until()].map(UnixTime::as_secs);
        let max_proofs = self.max_proofs.div_ceil(self.keys.parts);
        let mut arguments = vec![MAX_AHEAD.as_secs() + difference];
        arguments.extend(times);
        arguments.extend([difference, max_proofs, 2 * WINDOW_SECONDS]);
        Call { keys: self.keys.of(proof), arguments }
    }
}

/// Records by this call.
async fn record(link: &Link, call: Call) -> ReplayOutcome {
    let outcome = match answer(link, &call).await {
        Ok(Answer::New) => ReplayOutcome::New,
        Ok(Answer::Used) => ReplayOutcome::Used,
        Ok(Answer::Forgotten) => ReplayOutcome::Forgotten,
        Ok(Answer::ShareUsedUp) => ReplayOutcome::ShareUsedUp,
        Ok(Answer::Recovering) => return unknown(link, Failure::Recovering),
        Ok(Answer::Clocks) => return unknown(link, Failure::Clocks),
        Err(failure) => return unknown(link, failure),
    };
    link.succeeded();
    outcome
}

fn unknown(link: &Link, failure: Failure) -> ReplayOutcome {
    link.failed(failure);
    ReplayOutcome::Unknown
}

async fn answer(link: &Link, call: &Call) -> Result<Answer, Failure> {
    Answer::of(&INSERT.run(link, &call.keys, &call.arguments).await?).ok_or(Failure::NOT_OF_SCRIPT)
}

impl ReplayStore for RedisReplays {
    fn insert(&self, proof: &ProofUse<'_>) -> ReplayQuery {
        let (link, counts, call) = (Arc::clone(&self.link), Arc::clone(&self.counts), self.call(proof));
        ReplayQuery::Pending(Box::pin(async move { counts.count(record(&link, call).await) }))
    }

    fn stats(&self) -> Option<ReplayStats> {
        Some(self.counts.stats(None)) // only the server knows how many are recorded
    }

    fn attach(&self, _: &Arc<dyn Clock>) -> Vec<Fault> {
        let mut faults = Vec::new();
        if !(SHORTEST_CLOCK_DIFFERENCE..=LONGEST_CLOCK_DIFFERENCE).contains(&self.clock_difference) {
            faults.push(Fault::new("clock_difference", "the difference of clocks is not within 1 s to 30 s"));
        }
        if self.max_proofs == 0 {
            faults.push(Fault::new("max_proofs", "no proof could be recorded; set at least 1"));
        }
        faults
    }
}

/// Without the address, which has the credential.
impl fmt::Debug for RedisReplays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisReplays")
            .field("link", &self.link)
            .field("prefix", &self.keys.prefix)
            .field("max_proofs", &self.max_proofs)
            .field("clock_difference", &self.clock_difference)
            .finish_non_exhaustive()
    }
}
