//! A flood: hostile requests, harmless ones of the same number, and the good requests beside them.

use std::future::Future;
use std::pin::Pin;
use std::time::Instant;

use crate::Effect;

/// Sends one request and returns whether it was served.
pub(crate) type Send = Box<dyn Fn(usize) -> Pin<Box<dyn Future<Output = bool>>>>;

pub(crate) struct Flood {
    pub(crate) name: &'static str,
    pub(crate) hostile: Send,
    pub(crate) harmless: Send,
    pub(crate) good: Send,
    /// Good requests that hash a password are sent less often.
    pub(crate) is_slow: bool,
}

impl Flood {
    pub(crate) fn rounds(&self, usual: usize) -> usize {
        if self.is_slow { 4 } else { usual }
    }

    pub(crate) fn requests(&self, usual: usize) -> usize {
        if self.is_slow { 25 } else { usual }
    }

    /// Sends two good requests after each of `requests` of the flood or of the harmless load. Only good ones are timed.
    pub(crate) async fn run(&self, round: usize, is_hostile: bool, effect: &mut Effect, requests: usize) {
        let load = if is_hostile { &self.hostile } else { &self.harmless };
        for number in round * requests..(round + 1) * requests {
            load(number).await;
            for took in &mut effect.took {
                let start = Instant::now();
                let is_served = (self.good)(number).await;
                *took += start.elapsed();
                effect.sent += 1;
                effect.served += usize::from(is_served);
            }
        }
    }
}
