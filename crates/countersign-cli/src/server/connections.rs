//! The open connections, and which one is closed when there are too many.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// The pause between two looks whether a closed connection has ended.
const CHECK_EVERY: Duration = Duration::from_millis(1);

/// The open connections.
///
/// A connection waits for its client until it has a whole request, and again once the response is ready. If all places are
/// taken, the place of a new connection is that of a waiting one: of the peer with the most connections, the one that has
/// waited longest. So clients that send nothing close each other's connections, and requests in progress stay.
pub(super) struct Connections {
    max: usize,
    table: Mutex<Table>,
    left: Notify,
}

#[derive(Default)]
struct Table {
    next_id: u64,
    open: HashMap<u64, Open>,
    peers: HashMap<IpAddr, usize>,
}

struct Open {
    peer: IpAddr,
    /// The requests in progress; with HTTP/2 there can be several.
    requests: usize,
    /// The start of the wait for the client, if no request is in progress.
    waits_since: Instant,
    task: Option<AbortHandle>,
}

/// The place of one connection.
pub(super) struct Place {
    id: u64,
    connections: Arc<Connections>,
}

impl Connections {
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Connections { max, table: Mutex::default(), left: Notify::new() })
    }

    /// A place for a connection from `peer`. Waits only if a request is in progress on every connection.
    pub(super) async fn place(self: &Arc<Self>, peer: IpAddr) -> Place {
        loop {
            let left = self.left.notified();
            if let Some(place) = self.try_place(peer) {
                return place;
            }
            left.await;
        }
    }

    /// Closes the waiting connection that has to give way, because no file is left for a new one, and waits for its end up to
    /// `limit`. Returns `false` if none waits.
    pub(super) async fn give_way(&self, limit: Duration) -> bool {
        let task = {
            let mut table = self.table();
            let Some(closed) = table.close_one() else { return false };
            closed.task
        };
        let is_closed = async {
            while task.as_ref().is_some_and(|task| !task.is_finished()) {
                tokio::time::sleep(CHECK_EVERY).await;
            }
        };
        let _ = tokio::time::timeout(limit, is_closed).await;
        true
    }

    fn try_place(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let mut table = self.table();
        if table.open.len() >= self.max && table.close_one().is_none() {
            return None;
        }
        let (id, peer) = (table.next_id, network(peer));
        table.next_id = id.wrapping_add(1);
        table.open.insert(id, Open { peer, requests: 0, waits_since: Instant::now(), task: None });
        *table.peers.entry(peer).or_default() += 1;
        Some(Place { id, connections: Arc::clone(self) })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Closes the waiting connection that has to give way, and returns it if one waits.
    fn close_one(&mut self) -> Option<Open> {
        let waiting = self.open.iter().filter(|(_, open)| open.requests == 0);
        let last = waiting.max_by_key(|(id, open)| {
            (self.peers.get(&open.peer).copied(), std::cmp::Reverse(open.waits_since), std::cmp::Reverse(**id))
        });
        let closed = self.remove(last.map(|(id, _)| *id)?)?;
        if let Some(task) = &closed.task {
            task.abort();
        }
        Some(closed)
    }

    fn remove(&mut self, id: u64) -> Option<Open> {
        let open = self.open.remove(&id)?;
        if let Some(count) = self.peers.get_mut(&open.peer) {
            *count -= 1;
            if *count == 0 {
                self.peers.remove(&open.peer);
            }
        }
        Some(open)
    }
}

impl Place {
    /// Names the task that serves the connection, so that it can be closed.
    pub(super) fn served_by(id: u64, connections: &Connections, task: AbortHandle) {
        match connections.table().open.get_mut(&id) {
            Some(open) => open.task = Some(task),
            None => task.abort(), // it gave way meanwhile
        }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Notes that a whole request has arrived.
    pub(super) fn begin_request(&self) -> RequestInProgress<'_> {
        if let Some(open) = self.connections.table().open.get_mut(&self.id) {
            open.requests += 1;
        }
        RequestInProgress(self)
    }
}

/// A request in progress. It ends when this is dropped: its response is ready, or the client has reset its stream.
pub(super) struct RequestInProgress<'p>(&'p Place);

impl Drop for RequestInProgress<'_> {
    fn drop(&mut self) {
        let Place { id, connections } = self.0;
        if let Some(open) = connections.table().open.get_mut(id) {
            open.requests = open.requests.saturating_sub(1);
            open.waits_since = Instant::now();
        }
        connections.left.notify_one();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.table().remove(self.id);
        self.connections.left.notify_one();
    }
}

/// The network that counts as one peer: an IPv4 address, or the /64 of an IPv6 address.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}
