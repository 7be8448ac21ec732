//! Checks of a server when a connection is opened.

use redis::{Value, cmd, from_redis_value};

use super::connection::Connection;
use super::failure::Failure;

/// Fails if a server of this connection would remove keys that are not expired, to make room for others.
pub(super) async fn check_eviction(connection: &Connection) -> Result<(), Failure> {
    for memory in connection.information("memory").await? {
        let field = |name: &str| memory.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let (limit, policy) = (field("maxmemory"), field("maxmemory_policy"));
        // Without a limit nothing is removed, whatever the policy.
        if limit != Some("0") && policy != Some("noeviction") {
            let problem = "the server removes keys when its memory is full, so that used proofs, revocations or \
                           bundles are forgotten; set maxmemory-policy noeviction";
            return Err(Failure::Refused(problem));
        }
    }
    Ok(())
}

/// Fails if the server is a replica, whose primary failed over meanwhile.
pub(super) async fn check_primary(connection: &Connection) -> Result<(), Failure> {
    let sections = connection.information("replication").await?;
    let is_primary = sections.iter().all(|section| section.lines().any(|line| line == "role:master"));
    if is_primary { Ok(()) } else { Err(Failure::Refused("the server is a read-only replica")) }
}

impl Connection {
    /// This section of `INFO`, of each primary.
    async fn information(&self, section: &str) -> Result<Vec<String>, Failure> {
        let mut command = cmd("INFO");
        command.arg(section);
        let answer = match self {
            Connection::Server(_) => self.send(&command).await,
            #[cfg(feature = "cluster")]
            Connection::Cluster(cluster) => super::cluster::ask_primaries(cluster, command).await,
        };
        let texts = match answer.map_err(|error| Failure::of(&error))? {
            Value::Map(nodes) => nodes.into_iter().map(|(_, text)| text).collect(),
            text => vec![text],
        };
        let unreadable = |_| Failure::Refused("the server's answer to INFO is not readable");
        texts.into_iter().map(|text| from_redis_value(text).map_err(unreadable)).collect()
    }
}
