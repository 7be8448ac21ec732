//! Connections to the nodes of a cluster, which the crate `redis` opens and replaces.

use redis::cluster::{ClusterClient, TlsMode};
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo};
use redis::{Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisError, Value};
use tokio_rustls::rustls::crypto::{self, CryptoProvider};

use super::connection::{Connection, Opened};
use super::failure::Failure;
use crate::settings::{Address, Endpoint, Place};

/// The number of times that a command is sent again to another node, or after the keys have moved.
const RETRIES: u32 = 2;

pub(super) async fn open(place: &Place) -> Result<Opened, Failure> {
    let is_tls = place.addresses.iter().any(|address| address.is_tls);
    let nodes: Result<Vec<_>, _> = place.addresses.iter().map(node).collect();
    let mut builder = ClusterClient::builder(nodes?)
        .connection_timeout(place.connect_timeout)
        .response_timeout(place.timeout)
        .retries(RETRIES)
        .min_retry_wait(10)
        .max_retry_wait(100);
    if is_tls {
        if CryptoProvider::get_default().is_none() {
            // Else the crate `redis` would panic in a program that has the code of two providers.
            let _ = crypto::aws_lc_rs::default_provider().install_default();
        }
        let tls = place.tls.clone();
        let certificates = tokio::task::spawn_blocking(move || tls.certificates()).await;
        let certificates = certificates.map_err(|_| Failure::Connection("TLS cannot be used"))?;
        builder = builder.tls(TlsMode::Secure).certs(certificates.map_err(Failure::Connection)?);
    }
    let client = builder.build().map_err(|_| Failure::Connection("the settings of the cluster do not fit"))?;
    let connection = client.get_async_connection().await.map_err(|error| Failure::of(&error))?;
    Ok(Opened { connection: Connection::Cluster(connection), driver: Box::pin(std::future::pending()) })
}

/// Sends a command to each primary.
pub(super) async fn ask_primaries(cluster: &ClusterConnection, command: Cmd) -> Result<Value, RedisError> {
    let primaries = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
    cluster.clone().route_command(command, primaries).await
}

fn node(address: &Address) -> Result<ConnectionInfo, Failure> {
    let unusable = Failure::Connection("the address of a node is not usable");
    let Endpoint::Tcp(host, port) = &address.endpoint else { return Err(unusable) };
    let (host, port) = (host.clone(), *port);
    let node = match address.is_tls {
        true => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
        false => ConnectionAddr::Tcp(host, port),
    };
    let info = node.into_connection_info().map_err(|_| unusable)?;
    Ok(info.set_redis_settings(address.login.clone()))
}
