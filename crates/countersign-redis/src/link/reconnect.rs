//! The task that opens connections, one at a time, and replaces one that breaks.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use futures_util::future::try_join_all;
use redis::Cmd;
use tokio::sync::{Notify, watch};

use super::connection::{Connection, Opened};
use super::failure::Failure;
use super::outage::Outage;
use super::{check, dial, sentinel};
use crate::settings::{Address, Place};

/// The wait before the second attempt to connect. It doubles up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// The longest wait between two attempts to connect.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The state that the task and the requests share.
pub(super) struct State {
    /// The connection, if there is one.
    pub(super) current: ArcSwapOption<Live>,
    pub(super) outage: Outage,
    /// The outcome of the last attempt to connect, if one has ended.
    pub(super) attempt: watch::Sender<Option<Result<(), Failure>>>,
}

/// The connection that requests use.
pub(super) struct Live {
    pub(super) connection: Connection,
    /// Notified by requests that had no answer in time.
    pub(super) is_late: Notify,
}

/// Runs until it is dropped. `first` are the commands that each new connection sends before requests use it.
pub(super) async fn stay_connected(place: Place, first: Vec<Cmd>, state: Arc<State>) {
    let mut wait = FIRST_WAIT;
    loop {
        let opened = tokio::time::timeout(place.connect_timeout, open(&place, &first)).await;
        match opened.unwrap_or(Err(Failure::TimedOut)) {
            Ok((Opened { connection, driver }, primary)) => {
                let is_cluster = place.is_cluster;
                let live = Arc::new(Live { connection, is_late: Notify::new() });
                state.current.store(Some(Arc::clone(&live)));
                state.outage.succeeded();
                let _ = state.attempt.send_replace(Some(Ok(())));
                let since = tokio::time::Instant::now();
                let replaced = async {
                    match &primary {
                        Some(primary) => sentinel::replaced(&place, primary).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = replaced => state.outage.failed(Failure::Connection("the sentinels name another primary")),
                    () = driver => state.outage.failed(Failure::Connection("the server closed the connection")),
                    () = live.is_late.notified() => {}
                }
                // One node of a cluster may be late: the others are used until the new connection is open.
                if !is_cluster {
                    state.current.store(None);
                }
                if since.elapsed() > LONGEST_WAIT {
                    wait = FIRST_WAIT;
                }
            }
            Err(failure) => {
                state.outage.failed(failure);
                let _ = state.attempt.send_replace(Some(Err(failure)));
            }
        }
        // Instances that lost the same server do not come back at the same moment.
        tokio::time::sleep(wait.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Opens a connection. With sentinels, returns the primary that they name.
async fn open(place: &Place, first: &[Cmd]) -> Result<(Opened, Option<Address>), Failure> {
    let primary = if place.sentinels.is_empty() { None } else { Some(sentinel::primary(place).await?) };
    let mut opened = match (primary.as_ref().or(place.addresses.first()), place.is_cluster) {
        #[cfg(feature = "cluster")]
        (_, true) => super::cluster::open(place).await?,
        (Some(address), _) => dial::open(place, address).await?,
        (None, _) => return Err(Failure::Connection("there is no address")),
    };
    let is_found = primary.is_some();
    let connection = opened.connection.clone();
    let prepare = async {
        if is_found {
            check::check_primary(&connection).await?;
        }
        check::check_eviction(&connection).await?;
        let sent = try_join_all(first.iter().map(|command| connection.send(command))).await;
        sent.map(drop).map_err(|error| Failure::of(&error))
    };
    let mut prepare = std::pin::pin!(prepare);
    tokio::select! {
        prepared = &mut prepare => prepared?,
        // The command that was under way has the reason.
        () = &mut opened.driver => prepare.await.and(Err(Failure::Connection("the server closed the connection")))?,
    }
    Ok((opened, primary))
}
