//! A flood: hostile requests, a harmless load of the same number, and good requests after and beside them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::effect::Effect;

/// The pause between two good requests beside a load.
const GOOD_EVERY: Duration = Duration::from_micros(500);

/// Sends the request of this number and returns whether it was served.
type SendNumber = dyn Fn(usize) -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync;

/// Requests of one kind, each with a number of its own.
#[derive(Clone)]
pub(crate) struct Load {
    send: Arc<SendNumber>,
    sent: Arc<AtomicUsize>,
}

impl Load {
    pub(crate) fn new<F>(send: impl Fn(usize) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = bool> + Send + 'static,
    {
        Load { send: Arc::new(move |number| Box::pin(send(number))), sent: Arc::default() }
    }

    async fn send(&self) -> bool {
        (self.send)(self.sent.fetch_add(1, Ordering::Relaxed)).await
    }

    /// The time of one request, and whether it was served.
    async fn timed(&self) -> (Duration, bool) {
        let start = Instant::now();
        let is_served = self.send().await;
        (start.elapsed(), is_served)
    }
}

pub(crate) struct Flood {
    pub(crate) name: &'static str,
    pub(crate) hostile: Load,
    pub(crate) harmless: Load,
    pub(crate) good: Load,
    pub(crate) size: Size,
}

/// The number of requests.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    /// Rounds of the flood and of the harmless load, in turns.
    pub(crate) rounds: usize,
    /// Requests of a round that are followed by good ones.
    pub(crate) followed: usize,
    /// The time of a round that runs beside good requests, and the pause between two requests of its load.
    pub(crate) beside: (Duration, Duration),
}

impl Flood {
    fn load(&self, is_hostile: bool) -> &Load {
        if is_hostile { &self.hostile } else { &self.harmless }
    }

    /// Sends two good requests after each request of the load. Only good ones are timed.
    pub(crate) async fn run_after(&self, is_hostile: bool, effect: &mut Effect) {
        for _ in 0..self.size.followed {
            self.load(is_hostile).send().await;
            effect.first.add(self.good.timed().await);
            effect.second.add(self.good.timed().await);
        }
    }

    /// Sends good requests one after the other while the load goes on at its own rate.
    pub(crate) async fn run_beside(&self, is_hostile: bool, effect: &mut Effect) {
        let (length, pause) = self.size.beside;
        let load = self.load(is_hostile).clone();
        let loading = tokio::spawn(async move {
            let mut ticks = interval(pause);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            let mut requests = JoinSet::new();
            let end = Instant::now() + length;
            while Instant::now() < end {
                ticks.tick().await;
                let load = load.clone();
                requests.spawn(async move { load.send().await });
            }
            requests.join_all().await;
        });
        while !loading.is_finished() {
            effect.beside.add(self.good.timed().await);
            tokio::time::sleep(GOOD_EVERY).await;
        }
    }
}
