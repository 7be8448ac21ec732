//! Sockets to a server.

use std::io;
use std::sync::Arc;

use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::connection::{Connection, Opened};
use super::failure::Failure;
use crate::settings::{Address, Endpoint, Place};

trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

/// Connects to a server of the settings, and authenticates.
pub(super) async fn open(place: &Place, address: &Address) -> Result<Opened, Failure> {
    let socket = socket(address, place).await?;
    // The limits are those of the link: it replaces a connection on which an answer is late.
    let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    let config = config.set_pipeline_buffer_size(place.max_in_flight);
    let opened = MultiplexedConnection::new_with_config(&address.login, socket, config).await;
    let (connection, driver) = opened.map_err(|error| Failure::of(&error))?;
    Ok(Opened { connection: Connection::Server(connection), driver: Box::pin(driver) })
}

async fn socket(address: &Address, place: &Place) -> Result<Box<dyn Socket>, Failure> {
    let failed = |error: io::Error| Failure::of_socket(&error);
    let (host, port) = match &address.endpoint {
        #[cfg(unix)]
        Endpoint::Unix(path) => return Ok(Box::new(UnixStream::connect(path).await.map_err(failed)?)),
        #[cfg(not(unix))]
        Endpoint::Unix(_) => return Err(Failure::Connection("this system has no such sockets")),
        Endpoint::Tcp(host, port) => (host.trim_start_matches('[').trim_end_matches(']'), *port),
    };
    let stream = TcpStream::connect((host, port)).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    if !address.is_tls {
        return Ok(Box::new(stream));
    }
    let tls = place.tls.clone();
    let config = tokio::task::spawn_blocking(move || tls.client_config()).await;
    let config = config.map_err(|_| Failure::Connection("TLS cannot be used"))?.map_err(Failure::Connection)?;
    let name = ServerName::try_from(host.to_owned());
    let name = name.map_err(|_| Failure::Connection("the host name is none that a certificate can have"))?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(failed)?;
    Ok(Box::new(stream))
}
