//! A network that can be cut, and that leads to another server afterwards.

use std::path::PathBuf;
use std::sync::Arc;

use countersign_redis::RedisSettings;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::watch;

/// Forwards connections to the socket of a server.
pub struct Relay {
    port: u16,
    target: Arc<watch::Sender<Target>>,
}

/// Where connections lead. A change ends those that are open.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Socket(PathBuf),
    /// They stay open, and nothing passes.
    Nowhere,
}

impl Relay {
    /// Leads to the server with this URL of a socket.
    pub async fn to(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let target = Arc::new(watch::Sender::new(Target::Socket(path(url))));
        let targets = Arc::clone(&target);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut changes = targets.subscribe();
                tokio::spawn(async move {
                    loop {
                        let now = changes.borrow_and_update().clone();
                        let forward = async {
                            match &now {
                                Target::Socket(path) => {
                                    let Ok(mut server) = UnixStream::connect(path).await else { return };
                                    let _ = copy_bidirectional(&mut client, &mut server).await;
                                }
                                Target::Nowhere => std::future::pending().await,
                            }
                        };
                        tokio::select! {
                            () = forward => return,
                            changed = changes.changed() => {
                                // Whoever has a connection is not told that it leads nowhere.
                                if changed.is_err() || *changes.borrow() != Target::Nowhere {
                                    return;
                                }
                            }
                        }
                    }
                });
            }
        });
        Relay { port, target }
    }

    pub fn settings(&self) -> RedisSettings {
        RedisSettings::new(format!("redis://127.0.0.1:{}", self.port))
    }

    /// Nothing passes from now on.
    pub fn cut(&self) {
        self.target.send_replace(Target::Nowhere);
    }

    /// New connections lead to this server, and those that are open end.
    pub fn lead_to(&self, url: &str) {
        self.target.send_replace(Target::Socket(path(url)));
    }
}

fn path(url: &str) -> PathBuf {
    PathBuf::from(url.strip_prefix("unix://").expect("a socket"))
}
