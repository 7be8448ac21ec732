//! The open connections, and which one is closed when there are too many.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// The open connections.
///
/// A connection waits for its client until it has a whole request, and again once the response is ready. If all places are
/// taken, a new connection gets the place of the one that has waited longest. Requests in progress keep theirs.
pub(super) struct Connections {
    max: usize,
    table: Mutex<Table>,
    left: Notify,
}

#[derive(Default)]
struct Table {
    /// The connections and waits until now.
    count: u64,
    open: HashMap<u64, Open>,
}

struct Open {
    /// The number of the wait for the client; `None` while a request is in progress.
    waits: Option<u64>,
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

    /// A place for a connection. Waits only if a request is in progress on every connection.
    pub(super) async fn place(self: &Arc<Self>) -> Place {
        loop {
            let left = self.left.notified();
            if let Some(place) = self.try_place() {
                return place;
            }
            left.await;
        }
    }

    fn try_place(self: &Arc<Self>) -> Option<Place> {
        let mut table = self.table();
        if table.open.len() >= self.max {
            table.close_one()?;
        }
        let id = table.next();
        table.open.insert(id, Open { waits: Some(id), task: None });
        Some(Place { id, connections: Arc::clone(self) })
    }

    /// Names the task that serves the connection, so that it can be closed.
    pub(super) fn serve(&self, id: u64, task: AbortHandle) {
        match self.table().open.get_mut(&id) {
            Some(open) => open.task = Some(task),
            None => task.abort(), // it gave way meanwhile
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn next(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// Closes the connection that has waited longest, if one waits.
    fn close_one(&mut self) -> Option<()> {
        let waiting = self.open.iter().filter_map(|(id, open)| Some((open.waits?, *id)));
        let closed = self.open.remove(&waiting.min()?.1)?;
        if let Some(task) = closed.task {
            task.abort();
        }
        Some(())
    }
}

impl Place {
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Notes that a whole request has arrived, or that its response is ready.
    pub(super) fn set_in_progress(&self, is_in_progress: bool) {
        let mut table = self.connections.table();
        let wait = (!is_in_progress).then(|| table.next());
        if let Some(open) = table.open.get_mut(&self.id) {
            open.waits = wait;
        }
        drop(table);
        if !is_in_progress {
            self.connections.left.notify_one();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.table().open.remove(&self.id);
        self.connections.left.notify_one();
    }
}
