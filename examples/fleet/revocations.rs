//! The way of revocations from the issuer to every instance: a stream in Redis, or else this process.

use std::sync::Arc;
use std::time::Duration;

use countersign::revocation::{RevocationFeed, RevocationList};
use countersign_core::revocation::RevocationLog;
use countersign_issuer::Issuer;
use countersign_redis::{RedisSettings, RevocationFollower, RevocationPublisher, RevocationStream};
use tokio::task::JoinHandle;

use crate::Result;
use crate::redis::RedisServer;

/// The age of the feed from which the status of tokens is unknown, and the answer 503.
const MAX_AGE: Duration = Duration::from_secs(10);

/// The longest pause between two reads of the issuer's revocations.
const READ_EVERY: Duration = Duration::from_secs(1);

/// The distributor: Redis, as in production. Without it, each instance reads the revocations of the issuer, which runs in the same
/// process.
pub struct Revocations {
    redis: Option<(RevocationPublisher, RedisServer)>,
}

/// The reader of one instance; it ends when this is dropped.
pub enum Follower {
    Redis { _follower: RevocationFollower },
    Memory(JoinHandle<()>),
}

impl Revocations {
    pub async fn start(issuer: &Issuer) -> Result<Self> {
        let Some(server) = RedisServer::start().await? else { return Ok(Revocations { redis: None }) };
        let publisher = stream(&server, issuer).await?.publish(issuer.clone())?;
        Ok(Revocations { redis: Some((publisher, server)) })
    }

    /// The way in words.
    pub fn words(&self) -> &'static str {
        match self.redis {
            Some(_) => "a stream in Redis",
            None => "this process, because redis-server is not installed",
        }
    }

    /// Keeps the list of an instance up to date.
    pub async fn follow(&self, issuer: &Issuer, list: &Arc<RevocationList>) -> Result<Follower> {
        let feed = list.feed(MAX_AGE);
        Ok(match &self.redis {
            Some((_, server)) => Follower::Redis { _follower: stream(server, issuer).await?.follow(feed)? },
            None => Follower::Memory(tokio::spawn(read(issuer.clone(), feed))),
        })
    }
}

/// A connection of its own, as each service has one.
async fn stream(server: &RedisServer, issuer: &Issuer) -> Result<RevocationStream> {
    Ok(RevocationStream::connect(RedisSettings::new(server.url()), issuer.name()).await?)
}

impl Drop for Follower {
    fn drop(&mut self) {
        if let Follower::Memory(task) = self {
            task.abort();
        }
    }
}

/// Applies what the issuer has stored, and confirms the feed whenever nothing more is there.
async fn read(issuer: Issuer, feed: RevocationFeed) {
    let mut end = 0;
    loop {
        let changed = issuer.changed(); // before reading, so that no change is missed
        if let Ok(page) = issuer.read(end).await {
            for notice in page.notices() {
                let _ = feed.apply(notice); // without room, the list states that itself
            }
            end = page.end();
            if !page.is_last() {
                continue;
            }
            feed.confirm();
        }
        let _ = tokio::time::timeout(READ_EVERY, changed).await;
    }
}
