//! The stream of one issuer.

use std::fmt;
use std::sync::Arc;

use countersign::error::ConfigError;
use countersign::revocation::RevocationFeed;
use countersign_core::revocation::{RevocationLog, RevocationNotice, RevocationSink, SinkError, SinkFuture};

use super::follow::RevocationFollower;
use super::keys::Keys;
use super::publish::RevocationPublisher;
use super::record;
use super::shared::Shared;
use crate::link::Link;
use crate::settings::{Place, RedisSettings};

/// The most entries of one issuer.
const MAX_ENTRIES: u64 = 1_000_000;

/// The revocations of one issuer in Redis or Valkey, from where all instances of all services read them.
///
/// Whoever stores revocations durably publishes them, such as the embedded issuer. Each instance of each service follows, and
/// has them in memory when a request comes:
///
/// ```no_run
/// use std::sync::Arc;
/// use std::time::Duration;
/// use countersign::error::ConfigError;
/// use countersign::prelude::*;
/// use countersign::revocation::{Revocation, RevocationList};
/// use countersign::secret::Secret;
/// use countersign_redis::{RedisSettings, RevocationFollower, RevocationStream};
///
/// async fn layer(verifier: Verifier) -> Result<(AuthenticateLayer, RevocationFollower), ConfigError> {
///     let settings = RedisSettings::new(Secret::from_env("REDIS_URL")?); // rediss://orders:password@redis.internal:6379
///     let stream = RevocationStream::connect(settings, "https://id.example.com").await?;
///     let list = Arc::new(RevocationList::new());
///     let follower = stream.follow(list.feed(Duration::from_secs(10)))?; // keep it: it ends when it is dropped
///     let layer = AuthenticateLayer::builder(verifier).revocation(Revocation::new(list)).build()?;
///     Ok((layer, follower))
/// }
/// # let _ = layer;
/// ```
///
/// # What a follower knows
///
/// A publisher reads the durable list about once a second, adds what the stream lacks, and states how many entries it has. A
/// follower confirms its feed only after such a statement that is newer than the one before, and only if it has read all those
/// entries. So a stream that was emptied or shortened, a server that started again with old data, and a replica that became the
/// primary with less are never confirmed. The publisher fills in a new stream from the durable list as soon as it sees one of
/// them. Without a statement the age of the feed grows, up to the limit after which statuses are unknown.
///
/// What a follower has read it never forgets before its end, whatever happens to the stream. A new stream has what was revoked before
/// in parts, with an index of their digests: a follower reads only the parts that it lacks, and what was revoked since.
///
/// # Who may write
///
/// Whoever may write to the stream can revoke tokens of its issuer, and nothing in it can take a revocation back. But who may run
/// scripts or delete keys can keep revocations from instances that start later. Give services a user that may only read. An entry
/// that is no revocation of this issuer is refused, and the feed is not confirmed until a publisher has filled in a new stream
/// without it.
///
/// # What the server needs
///
/// Redis 6.2 or newer, or Valkey, with `maxmemory-policy noeviction` or without `maxmemory`. A revocation with a name of 36 bytes takes
/// about 70 bytes. The commands for keys with the [prefix](RedisSettings::prefix), of a publisher and of a follower:
///
/// ```text
/// ACL SETUSER issuer on >password resetkeys ~countersign:* resetchannels -@all +eval +evalsha +info +time +hlen +hmget +hset +del +xadd +xlen +xrange +xrevrange +expire +persist
/// ACL SETUSER orders on >password resetkeys ~countersign:* resetchannels -@all +hmget +info +xread +xrevrange
/// ```
///
/// In a cluster they also need `+cluster|slots`. All keys of one issuer lie on one node.
#[derive(Clone)]
pub struct RevocationStream {
    place: Place,
    shared: Arc<Shared>,
}

impl RevocationStream {
    /// The stream of `issuer`; waits until the server has answered.
    ///
    /// # Errors
    /// `ConfigError` if the settings are faulty, or if the server cannot be used: it is not reached, refuses the user, or removes
    /// keys when its memory is full.
    pub async fn connect(settings: RedisSettings, issuer: impl Into<String>) -> Result<Self, ConfigError> {
        let stream = Self::connect_in_background(settings, issuer)?;
        stream.link()?.connected().await.map_err(|failure| ConfigError::new("redis", failure.words()))?;
        Ok(stream)
    }

    /// The stream of `issuer`; nothing waits for the server, so that a service starts while it is away.
    ///
    /// # Errors
    /// `ConfigError` if the settings are faulty.
    #[expect(clippy::needless_pass_by_value, reason = "the settings are of no further use")]
    pub fn connect_in_background(settings: RedisSettings, issuer: impl Into<String>) -> Result<Self, ConfigError> {
        let (place, issuer) = (settings.check()?, issuer.into());
        let keys = Keys::new(&place.prefix, &issuer);
        Ok(RevocationStream { place, shared: Arc::new(Shared::new(issuer, keys, MAX_ENTRIES)) })
    }

    /// Keeps the list of this feed up to date until the follower is dropped. The feed confirms about once a second; a limit of its age
    /// below 3 s makes statuses unknown without need.
    ///
    /// # Errors
    /// `ConfigError` outside of a tokio runtime.
    pub fn follow(&self, feed: RevocationFeed) -> Result<RevocationFollower, ConfigError> {
        RevocationFollower::start(&self.place, Arc::clone(&self.shared), feed)
    }

    /// Keeps the stream as complete as this durable list until the publisher is dropped. Every instance of an issuer publishes; all
    /// share one list.
    ///
    /// ```no_run
    /// use countersign::error::ConfigError;
    /// use countersign_redis::{RevocationPublisher, RevocationStream};
    /// use countersign_core::revocation::RevocationLog;
    ///
    /// fn publish(stream: &RevocationStream, issuer: impl RevocationLog) -> Result<RevocationPublisher, ConfigError> {
    ///     stream.publish(issuer) // a clone of countersign_issuer::Issuer
    /// }
    /// ```
    ///
    /// # Errors
    /// `ConfigError` outside of a tokio runtime.
    pub fn publish(&self, log: impl RevocationLog) -> Result<RevocationPublisher, ConfigError> {
        RevocationPublisher::start(self.place.clone(), Arc::clone(&self.shared), Arc::new(log))
    }

    fn link(&self) -> Result<&Link, ConfigError> {
        self.shared.link(&self.place).map_err(|failure| ConfigError::new("redis", failure.words()))
    }
}

/// Adds a revocation that is in no durable list. It is lost with the data of the server. Without a publisher, which begins the
/// stream, none is taken. What receivers of logouts and signals take belongs in a durable list: `ReceivedRevocations` of
/// `countersign-issuer`.
impl RevocationSink for RevocationStream {
    fn revoke(&self, notice: RevocationNotice) -> SinkFuture {
        let stream = self.clone();
        Box::pin(async move {
            let unavailable = |reason: &str| SinkError::Unavailable(reason.to_owned());
            if notice.issuer() != stream.shared.issuer {
                return Err(unavailable("the stream is that of another issuer"));
            }
            let link = stream.link().map_err(|error| SinkError::Unavailable(error.to_string()))?;
            let added = stream.shared.add(link, &[record::write(&notice)]).await;
            match added.inspect_err(|failure| link.failed(*failure)) {
                Ok(true) => Ok(()),
                Ok(false) => Err(SinkError::Full),
                Err(failure) => Err(unavailable(failure.words())),
            }
        })
    }
}

/// Without the address, which has the credential.
impl fmt::Debug for RevocationStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationStream")
            .field("issuer", &self.shared.issuer)
            .field("prefix", &self.place.prefix)
            .finish_non_exhaustive()
    }
}
