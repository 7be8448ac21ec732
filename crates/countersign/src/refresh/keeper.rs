//! The background task of one cell: fetches ahead of the value's end, without callers.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::flight::Shared;
use super::refreshed::Fetch;
use crate::rt::{self, Task};

/// The longest time that a keeper sleeps: the clock it reads may run faster than the one it sleeps by.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// A keeper's place in the cell.
pub(super) struct Post {
    number: u64,
    task: Option<Task>,
}

impl Post {
    pub(super) fn dismiss(&self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl<T, F> Shared<T, F>
where
    T: Send + Sync + 'static,
    F: Fetch<T>,
{
    /// Starts the keeper where none runs, or where it has overslept: then its runtime no longer turns.
    pub(super) fn keep_fresh(self: &Arc<Self>) {
        let number = {
            let mut state = self.lock();
            let overdue = self.next_fetch(&state).saturating_add(self.policy.max_backoff);
            let has_overslept = self.under_way(&state).is_none() && self.clock.elapsed() > overdue;
            match &state.keeper {
                Some(_) if !has_overslept => return,
                Some(keeper) => keeper.dismiss(),
                None => {}
            }
            state.numbers += 1;
            state.keeper = Some(Post { number: state.numbers, task: None });
            state.numbers
        };
        // Outside the lock: a runtime that is ending drops the keeper here, and it then gives up its post.
        let keeper = Keeper { cell: Arc::downgrade(self), number };
        let task = rt::spawn(keeper.run()); // without a runtime it gives up its post at once
        if let Some(post) = self.lock().keeper.as_mut().filter(|post| post.number == number) {
            post.task = task;
        }
    }
}

/// Holds no claim on the cell and ends with it.
struct Keeper<T, F>
where
    T: Send + Sync + 'static,
    F: Fetch<T>,
{
    cell: Weak<Shared<T, F>>,
    number: u64,
}

impl<T, F> Keeper<T, F>
where
    T: Send + Sync + 'static,
    F: Fetch<T>,
{
    async fn run(self) {
        while let Some(cell) = self.cell.upgrade() {
            let next = cell.next_fetch(&cell.lock());
            let pause = next.saturating_sub(cell.clock.elapsed());
            if pause.is_zero() && !cell.fetch.is_wanted() {
                return;
            }
            if pause.is_zero() {
                let landing = cell.join_or_take_off();
                drop(cell);
                if let Some(mut landing) = landing {
                    let _ = landing.wait_for(Option::is_some).await;
                }
            } else {
                drop(cell);
                rt::sleep(pause.min(LONGEST_SLEEP)).await;
            }
        }
    }
}

/// Another keeper may begin where this one's runtime has ended.
impl<T, F> Drop for Keeper<T, F>
where
    T: Send + Sync + 'static,
    F: Fetch<T>,
{
    fn drop(&mut self) {
        let Some(cell) = self.cell.upgrade() else { return };
        let mut state = cell.lock();
        if state.keeper.as_ref().is_some_and(|post| post.number == self.number) {
            state.keeper = None;
        }
    }
}
