//! The order of the checks of secrets that were never right.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::asked::Asked;
use super::error::Busy;

/// Turns to run a check.
///
/// Addresses go in rotation, so that no address delays another one. Within an address, every second turn goes to the client
/// id that was asked for most often lately, and the others go in the order of arrival. So whoever invents client ids must ask
/// for each of them as often as a client that tries again. Nothing depends on whether a client exists.
pub(super) struct Turns {
    queue: Arc<Mutex<Queue>>,
    hasher: RandomState,
}

/// A turn. Dropping it gives it to the next request.
pub(super) struct Turn(Option<Arc<Mutex<Queue>>>);

struct Queue {
    free: usize,
    /// The places of one address.
    share: usize,
    lines: HashMap<Option<IpAddr>, Line>,
    /// The addresses that have a line, the next one first.
    order: VecDeque<Option<IpAddr>>,
    asked: Asked,
    arrivals: u64,
}

/// Higher ranks go first: client ids that were asked for more often, then the oldest request.
type Rank = (u32, Reverse<u64>);

/// The requests of one address that wait.
#[derive(Default)]
struct Line {
    by_rank: BTreeMap<Rank, Waiter>,
    by_arrival: VecDeque<(Rank, Waiter)>,
    is_arrival_next: bool,
}

struct Waiter {
    /// The hash of the address and the client id.
    id: u64,
    sender: oneshot::Sender<Turn>,
}

impl Turns {
    /// `turns` at the same time. At most `share` requests of one address wait, and twice as many of all.
    pub(super) fn new(turns: usize, share: usize) -> Self {
        let queue = Queue {
            free: turns,
            share: share.max(1),
            lines: HashMap::new(),
            order: VecDeque::new(),
            asked: Asked::default(),
            arrivals: 0,
        };
        Turns { queue: Arc::new(Mutex::new(queue)), hasher: RandomState::new() }
    }

    /// Waits for a turn, until a request that goes before it needs the place. The caller limits the time.
    pub(super) async fn turn(&self, address: Option<IpAddr>, client_id: &str, elapsed: Duration) -> Result<Turn, Busy> {
        let id = self.hasher.hash_one((address, client_id));
        let receiver = {
            let mut queue = lock(&self.queue);
            let count = queue.asked.count(id, elapsed);
            if queue.free > 0 {
                queue.free -= 1;
                queue.asked.forget(id);
                return Ok(Turn(Some(Arc::clone(&self.queue))));
            }
            let (sender, receiver) = oneshot::channel();
            queue.add(address, count, Waiter { id, sender });
            receiver
        };
        receiver.await.map_err(|_| Busy)
    }
}

impl Queue {
    fn add(&mut self, address: Option<IpAddr>, count: u32, waiter: Waiter) {
        self.arrivals += 1;
        let rank = (count, Reverse(self.arrivals));
        let line = self.lines.entry(address).or_insert_with(|| {
            self.order.push_back(address);
            Line::default()
        });
        line.add(rank, waiter, self.share);
        let waiting: usize = self.lines.values().map(Line::len).sum();
        if waiting > self.share.saturating_mul(2) {
            // The longest line gives a place up; of equal lines, the one with the lowest rank.
            let longest = self.lines.iter_mut().max_by_key(|(_, line)| (line.len(), Reverse(line.lowest())));
            let Some((address, line)) = longest.map(|(address, line)| (*address, line)) else { return };
            line.drop_lowest();
            if line.len() == 0 {
                self.lines.remove(&address);
                self.order.retain(|other| *other != address);
            }
        }
    }

    /// Removes the request that has the next turn.
    fn next(&mut self) -> Option<Waiter> {
        while let Some(address) = self.order.pop_front() {
            let Some(line) = self.lines.get_mut(&address) else { continue };
            let next = line.next();
            match line.len() {
                0 => drop(self.lines.remove(&address)),
                _ => self.order.push_back(address),
            }
            if let Some(waiter) = next {
                self.asked.forget(waiter.id);
                return Some(waiter);
            }
        }
        None
    }
}

impl Line {
    fn len(&self) -> usize {
        self.by_rank.len() + self.by_arrival.len()
    }

    /// Half of the places are for the highest ranks. Who finds none of these takes one of the others, if one is left.
    fn add(&mut self, rank: Rank, waiter: Waiter, share: usize) {
        if self.len() >= share {
            self.by_rank.retain(|_, waiter| !waiter.sender.is_closed());
            self.by_arrival.retain(|(_, waiter)| !waiter.sender.is_closed());
        }
        self.by_rank.insert(rank, waiter);
        if self.by_rank.len() > share.div_ceil(2)
            && let Some(lowest) = self.by_rank.pop_first()
            && self.by_arrival.len() < share / 2
        {
            self.by_arrival.push_back(lowest);
        }
    }

    fn lowest(&self) -> Option<Rank> {
        self.by_rank.keys().next().copied().into_iter().chain(self.by_arrival.iter().map(|(rank, _)| *rank)).min()
    }

    fn drop_lowest(&mut self) {
        let Some(lowest) = self.lowest() else { return };
        self.by_rank.remove(&lowest);
        self.by_arrival.retain(|(rank, _)| *rank != lowest);
    }

    /// Removes the request that has the next turn, and those before it whose callers have gone.
    fn next(&mut self) -> Option<Waiter> {
        loop {
            let mut by_arrival = || self.by_arrival.pop_front().map(|(_, waiter)| waiter);
            let mut by_rank = || self.by_rank.pop_last().map(|(_, waiter)| waiter);
            let next =
                if self.is_arrival_next { by_arrival().or_else(by_rank) } else { by_rank().or_else(by_arrival) }?;
            if !next.sender.is_closed() {
                self.is_arrival_next = !self.is_arrival_next;
                return Some(next);
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(queue) = self.0.take() else { return };
        loop {
            let next = {
                let mut queue = lock(&queue);
                let next = queue.next();
                queue.free += usize::from(next.is_none());
                next
            };
            let Some(waiter) = next else { return };
            match waiter.sender.send(Turn(Some(Arc::clone(&queue)))) {
                Ok(()) => return,
                Err(mut turn) => turn.0 = None, // its caller has gone at this moment
            }
        }
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    type Waiting<'a> = Pin<Box<dyn Future<Output = Result<Turn, Busy>> + 'a>>;

    fn address(n: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, n]))
    }

    fn poll(waiting: &mut Waiting<'_>) -> Poll<Result<Turn, Busy>> {
        waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Those requests of `address` for these client ids that wait.
    fn ask<'a>(turns: &'a Turns, address: Option<IpAddr>, ids: &'a [String]) -> Vec<(String, Waiting<'a>)> {
        let ask = |id: &'a String| {
            let mut waiting: Waiting<'a> = Box::pin(turns.turn(address, id, Duration::ZERO));
            match poll(&mut waiting) {
                Poll::Pending => Some((id.clone(), waiting)),
                Poll::Ready(Err(Busy)) => None,
                Poll::Ready(Ok(_)) => panic!("{id} has a turn at once"),
            }
        };
        ids.iter().filter_map(ask).collect()
    }

    fn ids(name: &str, count: usize) -> Vec<String> {
        (0..count).map(|n| format!("{name}-{n}")).collect()
    }

    /// The ids in the order of their turns, each of which ends before the next one.
    fn order(first: Turn, mut waiting: Vec<(String, Waiting<'_>)>) -> Vec<String> {
        let (mut order, mut turn) = (Vec::new(), Some(first));
        while turn.take().is_some() {
            waiting.retain_mut(|(id, request)| match poll(request) {
                Poll::Pending => true,
                Poll::Ready(Err(Busy)) => false,
                Poll::Ready(Ok(next)) => {
                    order.push(id.clone());
                    turn = Some(next);
                    false
                }
            });
        }
        order
    }

    fn first(turns: &Turns) -> Turn {
        let mut waiting: Waiting<'_> = Box::pin(turns.turn(None, "first", Duration::ZERO));
        let Poll::Ready(Ok(turn)) = poll(&mut waiting) else { panic!("a free turn") };
        turn
    }

    #[test]
    fn s15_01_a_client_id_that_is_asked_for_again_goes_before_invented_ones() {
        let turns = Turns::new(1, 8);
        let first = first(&turns);
        let (flood, client) = (ids("invented", 1_000), ids("client", 1));
        let mut waiting = ask(&turns, address(1), &flood);
        drop(ask(&turns, address(1), &client)); // refused
        waiting.extend(ask(&turns, address(1), &flood[500..501]));
        waiting.extend(ask(&turns, address(1), &client));
        let order = order(first, waiting);
        assert_eq!(order.len(), 8, "{order:?}");
        assert!(order[..3].contains(&client[0]), "{order:?}");
    }

    #[test]
    fn s15_01_half_of_the_turns_go_to_those_who_are_asked_for_less_often() {
        let turns = Turns::new(1, 8);
        let first = first(&turns);
        let (often, seldom) = (ids("often", 20), ids("seldom", 3));
        let mut waiting = ask(&turns, address(1), &often[..4]);
        waiting.extend(ask(&turns, address(1), &seldom));
        for _ in 0..5 {
            waiting.extend(ask(&turns, address(1), &often));
        }
        let order = order(first, waiting);
        let place = |id: &String| order.iter().position(|other| other == id);
        assert_eq!(seldom.iter().map(place).collect::<Vec<_>>(), [Some(1), Some(3), Some(5)], "{order:?}");
    }

    #[test]
    fn s15_01_addresses_go_in_rotation() {
        let turns = Turns::new(1, 8);
        let first = first(&turns);
        let (flood, clients) = (ids("invented", 1_000), ids("client", 2));
        let mut waiting = ask(&turns, address(1), &flood);
        waiting.extend(ask(&turns, address(2), &clients));
        let order = order(first, waiting);
        assert_eq!(order.len(), 10, "{order:?}");
        assert!(order[..4].contains(&clients[0]) && order[..4].contains(&clients[1]), "{order:?}");
    }

    #[test]
    fn s15_01_a_flood_from_many_addresses_leaves_a_place_to_who_asks_again() {
        let turns = Turns::new(1, 2);
        let first = first(&turns);
        let (flood, client) = (ids("invented", 1), ids("client", 1));
        let mut waiting = Vec::new();
        for n in 0..100 {
            waiting.extend(ask(&turns, address(n), &flood));
        }
        drop(ask(&turns, address(200), &client));
        waiting.extend(ask(&turns, address(200), &client));
        let queue = lock(&turns.queue);
        assert_eq!((queue.lines.len(), queue.order.len()), (4, 4), "memory is bounded");
        drop(queue);
        assert!(order(first, waiting).contains(&client[0]));
    }

    #[test]
    fn callers_that_have_gone_take_no_place_and_no_turn() {
        let turns = Turns::new(1, 4);
        let first = first(&turns);
        let (gone, clients) = (ids("gone", 50), ids("client", 4));
        drop(ask(&turns, address(1), &gone));
        let waiting = ask(&turns, address(1), &clients);
        assert_eq!(order(first, waiting).len(), 4);
        assert_eq!(lock(&turns.queue).free, 1);
        drop(self::first(&turns));
    }
}
