//! The state that a stream, its publisher and its followers share.

use std::sync::{Mutex, OnceLock, PoisonError};

use super::keys::Keys;
use super::script::{Addition, Outcome, append};
use crate::link::{Effect, Failure, Link};
use crate::settings::Place;

/// The most attempts of an addition, if other epochs begin meanwhile.
const MOVES: usize = 3;

/// The stream of one issuer.
pub(super) struct Shared {
    pub(super) issuer: String,
    pub(super) keys: Keys,
    pub(super) max_entries: u64,
    /// The connection of sinks, opened with the first addition.
    link: OnceLock<Result<Link, Failure>>,
    /// The epoch to which the last one was made.
    epoch: Mutex<String>,
}

impl Shared {
    pub(super) fn new(issuer: String, keys: Keys, max_entries: u64) -> Self {
        Shared { issuer, keys, max_entries, link: OnceLock::new(), epoch: Mutex::default() }
    }

    pub(super) fn link(&self, place: &Place) -> Result<&Link, Failure> {
        self.link
            .get_or_init(|| Link::start(place.clone(), Vec::new(), Effect::Unavailable))
            .as_ref()
            .map_err(|failure| *failure)
    }

    /// Adds revocations that are in no durable list. `false` if there is no room.
    pub(super) async fn add(&self, link: &Link, notices: &[Vec<u8>]) -> Result<bool, Failure> {
        let mut epoch = self.epoch.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for _ in 0..MOVES {
            let addition = Addition {
                epoch: &epoch,
                is_last: false,
                max_entries: self.max_entries,
                notices,
                ..Addition::default()
            };
            match append(link, &self.keys, &addition).await? {
                Outcome::Done(_) => {
                    *self.epoch.lock().unwrap_or_else(PoisonError::into_inner) = epoch;
                    return Ok(true);
                }
                Outcome::Moved(state) => epoch = state.epoch,
                Outcome::Full => return Ok(false),
                Outcome::Lost(_) => {
                    return Err(Failure::Refused("no publisher has filled the stream of revocations yet"));
                }
                Outcome::Late => break,
            }
        }
        Err(Failure::Refused("the stream of revocations is being filled again"))
    }
}
