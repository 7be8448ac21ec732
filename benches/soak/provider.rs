//! The provider: an embedded issuer in a process of its own, whose active key is replaced every five seconds.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use countersign_core::secret::Secret;
use countersign_issuer::{Audience, Client, Issuer, SecretHash};
use tokio::net::TcpListener;

use crate::Result;

/// The argument that makes this program the provider.
pub(crate) const CHILD: &str = "--provider";

pub(crate) const CLIENT: &str = "load";
pub(crate) const AUDIENCE: &str = "orders";

/// The time between two rotations. The new key signs at once, without having been published ahead.
const ROTATION: Duration = Duration::from_secs(5);

pub(crate) struct Provider {
    child: Child,
    pub(crate) url: String,
    pub(crate) secret: Secret<String>,
}

impl Provider {
    pub(crate) fn start() -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?).arg(CHILD).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or("the provider has no output")?;
        let mut lines = BufReader::new(output).lines();
        let mut line =
            || lines.next().ok_or("the provider ended")?.map_err(Box::<dyn std::error::Error + Send + Sync>::from);
        let (url, secret) = (line()?, Secret::from(line()?));
        Ok(Provider { child, url, secret })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until the process is killed. Prints its address and the client's secret for the parent.
pub(crate) fn serve() -> Result<()> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (secret, hash) = SecretHash::generate()?;
        let issuer = Issuer::builder(&url)
            .add_audience(Audience::new(AUDIENCE).token_lifetime(Duration::from_secs(60)))
            .add_client(Client::new(CLIENT).secret(hash).audiences([AUDIENCE]))
            .build()?;
        println!("{url}\n{}", secret.expose());
        let rotating = issuer.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(ROTATION).await;
                if let Err(error) = rotating.rotate_now() {
                    eprintln!("provider: {error}");
                }
            }
        });
        axum::serve(listener, issuer.router()).await?;
        Ok(())
    })
}
