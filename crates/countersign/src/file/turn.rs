//! One thread at a time for each path, so that a disk that hangs does not take the process's threads for blocking work.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

type Turns = HashMap<PathBuf, Weak<tokio::sync::Mutex<()>>>;

/// The turns of the paths that somebody uses or waits for.
static TURNS: LazyLock<Mutex<Turns>> = LazyLock::new(Mutex::default);

/// Waits until no other thread uses `path`. The caller limits the time. The turn ends when it is dropped, so it moves to the
/// thread that uses the file.
pub(crate) async fn turn(path: &Path) -> OwnedMutexGuard<()> {
    let turns = {
        let mut turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
        match turns.get(path).and_then(Weak::upgrade) {
            Some(known) => known,
            None => {
                turns.retain(|_, turn| turn.strong_count() > 0);
                let new = Arc::default();
                turns.insert(path.to_owned(), Arc::downgrade(&new));
                new
            }
        }
    };
    turns.lock_owned().await
}

/// Runs `work` on a thread for blocking work, in its turn for `path`. `None` if it panicked, or the runtime ended. Dropping the
/// future gives the result up, and not the turn.
pub(crate) async fn in_turn<T: Send + 'static>(path: &Path, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let turn = turn(path).await;
    let work = tokio::task::spawn_blocking(move || {
        let result = work();
        drop(turn);
        result
    });
    work.await.ok()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::rt;

    #[tokio::test]
    async fn s15_02_a_read_that_hangs_takes_one_thread_however_often_it_is_tried() {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        let path = Path::new("/on/a/disk/that/hangs");
        let (release, released) = mpsc::channel::<()>();
        let hanging = move || {
            THREADS.fetch_add(1, Ordering::SeqCst);
            let _ = released.recv();
        };
        let moment = Duration::from_millis(50);
        assert!(rt::within(moment, in_turn(path, hanging)).await.is_none());
        for _ in 0..20 {
            let again = in_turn(path, || THREADS.fetch_add(1, Ordering::SeqCst));
            assert!(rt::within(Duration::from_millis(1), again).await.is_none());
        }
        assert_eq!(in_turn(Path::new("/elsewhere"), || 7).await, Some(7), "another path has its own turn");
        assert_eq!(THREADS.load(Ordering::SeqCst), 1);
        drop(release);
        assert_eq!(in_turn(path, || 7).await, Some(7));
        assert_eq!(in_turn(path, || panic!("a fault")).await, None::<()>);
        assert_eq!(in_turn(path, || 7).await, Some(7), "a panic ends the turn");
    }
}
