//! A connection that is open.

use std::pin::Pin;

use redis::aio::{ConnectionLike, MultiplexedConnection};
#[cfg(feature = "cluster")]
use redis::cluster_async::ClusterConnection;
use redis::{Cmd, RedisError, Value};

/// A connection to a server or a cluster; clones share it.
#[derive(Clone)]
pub(super) enum Connection {
    Server(MultiplexedConnection),
    #[cfg(feature = "cluster")]
    Cluster(ClusterConnection),
}

/// A new connection, and the future that moves its bytes and ends when it breaks.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) driver: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Connection {
    pub(super) async fn send(&self, command: &Cmd) -> Result<Value, RedisError> {
        let answer = match self.clone() {
            Connection::Server(mut server) => server.req_packed_command(command).await,
            #[cfg(feature = "cluster")]
            Connection::Cluster(mut cluster) => cluster.req_packed_command(command).await,
        };
        answer.and_then(Value::extract_error)
    }
}
