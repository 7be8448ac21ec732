//! The bundle of one fleet in Redis or Valkey.

use std::fmt;
use std::sync::{Arc, OnceLock};

use countersign::bundle::BundleVerifier;
use countersign::clock::{Clock, SystemClock};
use countersign::error::ConfigError;
use countersign::reload::{
    BundleFuture, BundleRequest, BundleSource, BundleSourceError, BundleSourceErrorKind, HintFuture, PulledBundle,
};
use redis::{Value, cmd};

use super::head::{MAX_HEAD_BYTES, split};
use super::hints::Hints;
use super::keys::Keys;
use super::publish;
use super::publish_error::BundlePublishError;
use crate::link::{Effect, Failure, Link};
use crate::settings::{Place, RedisSettings};

/// The policy bundle of one fleet in Redis or Valkey, from where every instance pulls it.
///
/// ```no_run
/// use countersign::bundle::BundleVerifier;
/// use countersign::error::ConfigError;
/// use countersign::reload::{BundledPolicy, PolicyBundle};
/// use countersign::secret::Secret;
/// use countersign_redis::{RedisBundles, RedisSettings};
///
/// async fn policy(pins: BundleVerifier) -> Result<BundledPolicy, ConfigError> {
///     let settings = RedisSettings::new(Secret::from_env("REDIS_URL")?); // rediss://orders:password@redis.internal:6379
///     let bundles = RedisBundles::connect_in_background(settings, "orders-production")?;
///     PolicyBundle::from_source(bundles, pins).last_good("/var/lib/orders/policy.jws").build().await
/// }
/// # let _ = policy;
/// ```
///
/// `countersign bundle publish`, or [`publish`](Self::publish), replaces the bundle by a later revision and hints. Services then
/// pull within about a second; without a hint they pull at their interval. An unchanged bundle costs a read of 61 bytes. While
/// the server is away, the policy in force stays, and
/// [`Verifier::policy_error`](countersign::verify::Verifier::policy_error) has the reason.
///
/// Nothing in the server is trusted: a bundle is accepted as one from any other place is, by its signature. Whoever may write there can
/// keep later revisions from services. Redis is no place that keeps documents: publish again if it was emptied.
///
/// # What the server needs
///
/// Redis 6.2 or newer, or Valkey, with `maxmemory-policy noeviction` or without `maxmemory`. The commands for keys with the
/// [prefix](RedisSettings::prefix), of a publisher and of a service:
///
/// ```text
/// ACL SETUSER deploy on >password resetkeys ~countersign:bundles:* resetchannels -@all +eval +evalsha +info +getrange +set +xadd
/// ACL SETUSER orders on >password resetkeys ~countersign:bundles:* resetchannels -@all +info +getrange +xread
/// ```
///
/// In a cluster they also need `+cluster|slots`. All keys of one fleet lie on one node.
#[derive(Clone)]
pub struct RedisBundles {
    fleet: Arc<str>,
    is_shadow: bool,
    keys: Keys,
    place: Place,
    link: Arc<Link>,
    /// Started with the first wait for a hint.
    hints: Arc<OnceLock<Option<Hints>>>,
}

impl RedisBundles {
    /// The bundle of `fleet`; waits until the server has answered.
    ///
    /// # Errors
    /// `ConfigError` if the settings are faulty, or if the server cannot be used: it is not reached, refuses the user, or removes
    /// keys when its memory is full.
    pub async fn connect(settings: RedisSettings, fleet: impl Into<String>) -> Result<Self, ConfigError> {
        let bundles = Self::connect_in_background(settings, fleet)?;
        bundles.link.connected().await.map_err(|failure| ConfigError::new("redis", failure.words()))?;
        Ok(bundles)
    }

    /// The bundle of `fleet`; nothing waits for the server, so that a service starts with its last good bundle while it is away.
    ///
    /// # Errors
    /// `ConfigError` if the settings are faulty, or outside of a tokio runtime.
    #[expect(clippy::needless_pass_by_value, reason = "the settings are of no further use")]
    pub fn connect_in_background(settings: RedisSettings, fleet: impl Into<String>) -> Result<Self, ConfigError> {
        let (place, fleet) = (settings.check()?, fleet.into());
        let keys = Keys::new(&place.prefix, &fleet);
        let link = Link::start(place.clone(), Vec::new(), Effect::PolicyStays);
        let link = Arc::new(link.map_err(|failure| ConfigError::new("redis", failure.words()))?);
        Ok(RedisBundles { fleet: fleet.into(), is_shadow: false, keys, place, link, hints: Arc::default() })
    }

    /// The bundle of the same fleet that is only compared, for
    /// [`ShadowPolicy::from_source`](countersign::reload::ShadowPolicy::from_source). It has a key of its own.
    ///
    /// ```no_run
    /// use countersign::bundle::BundleVerifier;
    /// use countersign::reload::{PolicyBundle, ShadowPolicy};
    /// use countersign_redis::RedisBundles;
    ///
    /// # fn example(bundles: RedisBundles, pins: BundleVerifier) {
    /// let shadow = ShadowPolicy::from_source(bundles.shadow());
    /// let policy = PolicyBundle::from_source(bundles, pins).shadow(shadow);
    /// # let _ = policy;
    /// # }
    /// ```
    #[must_use]
    pub fn shadow(&self) -> Self {
        RedisBundles { is_shadow: true, keys: self.keys.of_shadow(), ..self.clone() }
    }

    /// Publishes a bundle that `pins` accept now, and hints, so that services pull it. Returns false if it was published before.
    ///
    /// An earlier revision never replaces a later one: comparison and replacement are one step of the server.
    ///
    /// # Errors
    /// [`Refused`](crate::BundlePublishErrorKind::Refused), [`NotNewer`](crate::BundlePublishErrorKind::NotNewer),
    /// [`NotABundle`](crate::BundlePublishErrorKind::NotABundle), and
    /// [`Unavailable`](crate::BundlePublishErrorKind::Unavailable), which a later attempt may fix.
    pub async fn publish(&self, document: &str, pins: &BundleVerifier) -> Result<bool, BundlePublishError> {
        let (document, now) = (document.trim_ascii(), SystemClock.now());
        let revision = match self.is_shadow {
            true => pins.verify_shadow(document, now).map(|bundle| bundle.revision()),
            false => pins.verify(document, now).map(|bundle| bundle.revision()),
        };
        let revision = revision.map_err(BundlePublishError::refused)?;
        if pins.fleet() != &*self.fleet {
            return Err(BundlePublishError::other_fleet(&self.fleet));
        }
        self.link.connected().await.map_err(BundlePublishError::unavailable)?;
        publish::replace(&self.link, &self.keys, revision, document).await
    }

    async fn read(&self, request: &BundleRequest) -> Result<PulledBundle, BundleSourceError> {
        self.link.connected().await.map_err(unavailable)?;
        if let Some(known) = request.validator.as_deref().filter(|known| !known.is_empty())
            && self.range(known.len()).await? == known
        {
            return Ok(PulledBundle::Unchanged);
        }
        // One byte more than is permitted.
        let value = self.range(MAX_HEAD_BYTES + request.max_bytes + 1).await?;
        if value.is_empty() {
            let kind = if self.is_shadow { "as a shadow " } else { "" };
            let problem = format!("nothing is published {kind}for {}; see countersign bundle publish", self.fleet);
            return Err(BundleSourceError::new(BundleSourceErrorKind::Missing, problem));
        }
        if value.len() > MAX_HEAD_BYTES + request.max_bytes {
            return Err(BundleSourceError::too_large());
        }
        let Some((head, document)) = split(&value) else {
            let problem = format!("the key {} has no bundle that was published whole", self.keys.document);
            return Err(BundleSourceError::new(BundleSourceErrorKind::Unusable, problem));
        };
        Ok(PulledBundle::Document { bytes: document.as_bytes().to_vec(), validator: Some(head.to_vec()) })
    }

    /// The first `bytes` of the value.
    async fn range(&self, bytes: usize) -> Result<Vec<u8>, BundleSourceError> {
        let mut command = cmd("GETRANGE");
        command.arg(&self.keys.document).arg(0).arg(bytes.saturating_sub(1));
        let answer = self.link.send(&command).await.map_err(unavailable)?;
        match answer.map_err(|error| unavailable(Link::failure(&error)))? {
            Value::BulkString(value) => Ok(value),
            _ => Err(unavailable(Failure::Refused("the server's answer is not text"))),
        }
    }
}

fn unavailable(failure: Failure) -> BundleSourceError {
    BundleSourceError::new(BundleSourceErrorKind::Unavailable, failure.words())
}

impl BundleSource for RedisBundles {
    fn name(&self) -> String {
        format!("redis {}", self.keys.document)
    }

    fn pull<'a>(&'a self, request: &'a BundleRequest) -> BundleFuture<'a> {
        Box::pin(self.read(request))
    }

    fn changed(&self) -> HintFuture<'_> {
        let hints = self.hints.get_or_init(|| Hints::start(&self.place, self.keys.hints.clone()).ok());
        match hints {
            Some(hints) => Box::pin(hints.arrived.notified()),
            None => Box::pin(std::future::pending()),
        }
    }
}

/// Without the address, which has the credential.
impl fmt::Debug for RedisBundles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBundles")
            .field("link", &self.link)
            .field("fleet", &self.fleet)
            .field("key", &self.keys.document)
            .finish_non_exhaustive()
    }
}
