//! One verifier with all that one instance of a service has.

use std::sync::Arc;
use std::time::Duration;

use countersign::authenticate::AuthenticateLayer;
use countersign::bundle::BundleVerifier;
use countersign::fleet::{FleetMember, FleetReporter};
use countersign::key::{KeySet, KeySource, StaticKeys};
use countersign::reload::{BundledPolicy, PolicyBundle};
use countersign::revocation::{Revocation, RevocationFeed, RevocationList};
use countersign::secret::Secret;
use countersign::status::{StatusListIssuer, StatusLists};
use countersign_benches::sample::{AUDIENCE, ISSUER};
use countersign_benches::services::{Bare, request};
use countersign_redis::{RedisSettings, RevocationFollower, RevocationStream};
use serde::{Deserialize, Serialize};
use tower_layer::Layer;
use tower_service::Service;

use crate::Result;
use crate::world::FLEET;

/// The age past which a feed is no longer complete, as in the guide.
pub(crate) const FEED_MAX_AGE: Duration = Duration::from_secs(10);

/// What each verifier is given.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) bundle_url: String,
    pub(crate) list_uri: String,
    pub(crate) plane: String,
    pub(crate) redis: String,
    /// JWK Sets.
    pub(crate) bundle_keys: String,
    pub(crate) token_keys: String,
    pub(crate) interval: Duration,
}

pub(crate) struct Member {
    policy: BundledPolicy,
    service: <AuthenticateLayer as Layer<Bare>>::Service,
    feed: RevocationFeed,
    _follower: RevocationFollower,
    _reporter: FleetReporter,
}

impl Member {
    pub(crate) async fn start(settings: &Settings) -> Result<Self> {
        let pins = BundleVerifier::new(FLEET, KeySet::from_jwks(settings.bundle_keys.as_bytes())?)?;
        let keys: Arc<dyn KeySource> =
            Arc::new(StaticKeys::from_set(KeySet::from_jwks(settings.token_keys.as_bytes())?));
        let policy = PolicyBundle::from_url(&settings.bundle_url, pins)
            .interval(settings.interval)
            .keys(move |_| Ok(Arc::clone(&keys)))
            .build()
            .await?;
        let list = Arc::new(RevocationList::new());
        let issuer = StatusListIssuer::new(ISSUER).location(&settings.list_uri);
        let statuses = Arc::new(StatusLists::new(policy.verifier()).add_issuer(issuer));
        let revocation = Revocation::new(Arc::clone(&list)).and(statuses);
        let layer = AuthenticateLayer::builder(policy.verifier().clone()).revocation(revocation).build()?;
        let stream =
            RevocationStream::connect_in_background(RedisSettings::new(Secret::from(settings.redis.clone())), ISSUER)?;
        let feed = list.feed(FEED_MAX_AGE);
        let follower = stream.follow(feed.clone())?;
        let member = FleetMember::new(AUDIENCE, &policy).revocation_list(&list);
        let reporter = FleetReporter::builder(member, &settings.plane).build()?;
        Ok(Member { policy, service: layer.layer(Bare), feed, _follower: follower, _reporter: reporter })
    }

    pub(crate) fn revision(&self) -> u64 {
        self.policy.revision()
    }

    pub(crate) fn hint(&self) {
        self.policy.hint();
    }

    /// The status of the response to a request with this token.
    pub(crate) async fn status(&mut self, token: &str) -> u16 {
        match self.service.call(request(token)).await {
            Ok(response) => response.status().as_u16(),
            Err(never) => match never {},
        }
    }

    /// The time since the list was complete.
    pub(crate) fn age(&self) -> Duration {
        self.feed.age().unwrap_or(Duration::MAX)
    }
}
