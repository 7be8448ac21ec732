//! A service on a free loopback port.

use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::Result;

/// A running server; it stops when dropped.
pub struct Server {
    pub url: String,
    stop: watch::Sender<bool>,
    task: JoinHandle<std::io::Result<()>>,
}

/// Binds a free port, so that the address is known before the service is built.
pub async fn listen() -> Result<(TcpListener, String)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    Ok((listener, url))
}

/// Binds the port of `url` again after its server was stopped.
pub async fn listen_again(url: &str) -> Result<TcpListener> {
    let address: SocketAddr = url.trim_start_matches("http://").parse()?;
    Ok(TcpListener::bind(address).await?)
}

impl Server {
    pub fn start(listener: TcpListener, url: &str, app: Router) -> Self {
        let (stop, mut stopped) = watch::channel(false);
        let until_stopped = async move {
            let _ = stopped.wait_for(|stopped| *stopped).await; // dropping the sender stops it too
        };
        let served = axum::serve(listener, app).with_graceful_shutdown(until_stopped);
        Server { url: url.to_owned(), stop, task: tokio::spawn(served.into_future()) }
    }

    /// Starts `app` on a free port.
    pub async fn on_free_port(app: Router) -> Result<Self> {
        let (listener, url) = listen().await?;
        Ok(Self::start(listener, &url, app))
    }

    /// Closes the port and its connections.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        let _ = self.task.await;
    }
}
