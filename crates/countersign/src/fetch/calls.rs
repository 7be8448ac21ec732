//! The clients for a service's calls to others, which follow the files of their connection settings.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_core::error::Fault;
#[cfg(feature = "introspection")]
use reqwest::Request;
use reqwest::{Client, ClientBuilder, Url};
use tokio::time::Instant;

use super::failure::FetchFailure;
use super::is_loopback;
use super::settings::{ConnectionSettings, Kind};
#[cfg(feature = "introspection")]
use super::{FetchedResponse, Reach, execute};
use crate::{file, rt};

/// The time after which files are read again.
const READ_INTERVAL: Duration = Duration::from_secs(10);

/// The longest use of what was read last, if the files cannot be read or used.
const MAX_UNREAD: Duration = Duration::from_secs(60);

/// The longest wait of one call for the files.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// One client for loopback, which uses no proxy, and one for all other addresses.
#[derive(Clone)]
pub(crate) struct CallClients(Arc<Inner>);

struct Inner {
    settings: ConnectionSettings,
    /// The builder of a client without the settings.
    base: fn() -> ClientBuilder,
    state: Mutex<State>,
}

struct State {
    clients: Pair,
    digest: [u8; 32],
    /// The time of the last read without a fault.
    read_at: Instant,
}

#[derive(Clone)]
struct Pair {
    proxied: Client,
    direct: Client,
}

impl CallClients {
    /// Builds the clients from what the files have now.
    pub(crate) fn new(settings: ConnectionSettings, base: fn() -> ClientBuilder) -> Result<Self, Fault> {
        settings.check_roots()?;
        let read_at = Instant::now();
        let contents = settings.contents()?;
        let (clients, digest) = (Pair::new(&settings, base, &contents)?, contents.digest());
        let state = Mutex::new(State { clients, digest, read_at });
        Ok(CallClients(Arc::new(Inner { settings, base, state })))
    }

    /// The client for addresses beyond loopback, as it is now.
    pub(crate) fn proxied(&self) -> Client {
        self.0.state().clients.proxied.clone()
    }

    /// The client for a call to this address.
    pub(crate) async fn for_url(&self, url: &Url) -> Result<Client, FetchFailure> {
        let Pair { proxied, direct } = match self.0.settings.first_file() {
            Some(path) => self.current(path).await?,
            None => self.0.state().clients.clone(),
        };
        Ok(if is_loopback(url) { direct } else { proxied })
    }

    /// Sends `request` and reads a response of at most `max_bytes`.
    #[cfg(feature = "introspection")]
    pub(crate) async fn send(
        &self,
        reach: Reach,
        request: Request,
        max_bytes: usize,
    ) -> Result<FetchedResponse, FetchFailure> {
        let client = self.for_url(request.url()).await?;
        execute(&client, reach, request, max_bytes).await
    }

    /// The clients of files that were read a moment ago; within a minute of a read without a fault, also older ones.
    async fn current(&self, path: &Path) -> Result<Pair, FetchFailure> {
        let read_within = |limit| {
            let state = self.0.state();
            (state.read_at.elapsed() < limit).then(|| state.clients.clone())
        };
        if let Some(clients) = read_within(READ_INTERVAL) {
            return Ok(clients);
        }
        let read = async {
            let turn = file::turn(path).await;
            if let Some(clients) = read_within(READ_INTERVAL) {
                return Ok(clients);
            }
            let inner = Arc::clone(&self.0);
            let work = tokio::task::spawn_blocking(move || {
                let read = inner.read_again();
                drop(turn); // also if nobody waits any more
                read
            });
            work.await.unwrap_or(Err(FetchFailure::Broken))
        };
        let outcome = rt::within(MAX_WAIT, read).await.unwrap_or(Err(FetchFailure::Timeout));
        outcome.or_else(|failure| read_within(MAX_UNREAD).ok_or(failure))
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the files, and builds clients if something has changed.
    fn read_again(&self) -> Result<Pair, FetchFailure> {
        let read_at = Instant::now();
        let contents = self.settings.contents().map_err(|fault| not_usable(&fault))?;
        let digest = contents.digest();
        {
            let mut state = self.state();
            if state.digest == digest {
                state.read_at = read_at;
                return Ok(state.clients.clone());
            }
        }
        let clients = Pair::new(&self.settings, self.base, &contents).map_err(|fault| not_usable(&fault))?;
        *self.state() = State { clients: clients.clone(), digest, read_at };
        Ok(clients)
    }
}

impl Pair {
    fn new(
        settings: &ConnectionSettings,
        base: fn() -> ClientBuilder,
        contents: &super::built::Contents,
    ) -> Result<Self, Fault> {
        let build = |kind| super::built::build(settings.configure(base(), kind, contents)?);
        Ok(Pair { proxied: build(Kind::Proxied)?, direct: build(Kind::Direct)? })
    }
}

fn not_usable(fault: &Fault) -> FetchFailure {
    FetchFailure::Content(format!("the connection settings are not usable: {}", fault.problem))
}
