//! The order in which cached issuers make room for others and for their keys.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use super::entry::{CachedEntry, Entries, Entry};
use super::uncached::Uncached;

/// An issuer is in use for this time after a token of it was verified, in seconds.
const IN_USE_FOR: u64 = 60;

/// Issuers that no token was verified of yet may take one of so many places.
const UNUSED_SHARE: usize = 8;

/// The number of places that they may take in any case, up to half of all.
const MIN_UNUSED: usize = 16;

/// The issuer that makes room for another one if there are `max_issuers`.
///
/// Issuers that no token was verified of yet make room for each other only if they take their share: a new one lives until its
/// first token is verified, and a flood of tokens that nobody signed displaces few issuers in use, those used longest ago.
pub(super) fn next<I: CachedEntry>(cached: &Entries<I>, max_issuers: usize) -> Option<Box<str>> {
    let share = (max_issuers / UNUSED_SHARE).max(MIN_UNUSED).min(max_issuers / 2).max(1);
    let (unused, used): (Vec<_>, Vec<_>) = cached.iter().partition(|(_, entry)| entry.is_unused());
    let oldest_unused = || unused.iter().min_by_key(|(_, entry)| entry.inserted());
    let least_recent = || used.iter().min_by_key(|(_, entry)| entry.issuer.last_used());
    let next = match unused.len() < share {
        true => least_recent().or_else(oldest_unused),
        false => oldest_unused(),
    };
    next.map(|(name, _)| (*name).clone())
}

/// The parts of the order in which issuers make room for keys.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    /// Not in use, by the time of the last use.
    Idle(u64),
    /// Its keys were fetched just now, for its first token.
    Newest,
    /// In use, the one with most keys first.
    InUse(Reverse<usize>),
}

/// Removes and returns issuers until the keys of the others take at most `max_bytes`, after those of `newest` were fetched.
pub(super) fn exceeding<I: CachedEntry>(
    cached: &mut Entries<I>,
    uncached: &Uncached<Entry<I>>,
    max_bytes: usize,
    newest: &str,
    elapsed: Duration,
) -> Vec<(Box<str>, Arc<Entry<I>>)> {
    let mut held: usize = cached.values().map(|entry| entry.issuer.key_bytes()).sum();
    if held <= max_bytes {
        return Vec::new();
    }
    let equal_share = max_bytes / cached.len().max(1);
    let turn = |name: &str, issuer: &I| {
        let (last_used, bytes) = (issuer.last_used(), issuer.key_bytes());
        let is_in_use = last_used != 0 && elapsed.as_secs() < last_used.saturating_add(IN_USE_FOR);
        let turn = match is_in_use {
            true => Turn::InUse(Reverse(bytes)),
            false if name == newest => Turn::Newest,
            false => Turn::Idle(last_used),
        };
        let has_turn = bytes > equal_share || bytes > 0 && matches!(turn, Turn::Idle(_));
        // The end of a lookup puts its issuer into the cache: it must not be one whose keys were dropped.
        (has_turn && uncached.pending(name).is_none()).then(|| (turn, Box::from(name)))
    };
    let order = cached.iter().filter_map(|(name, entry)| turn(name, &entry.issuer));
    let mut order: Vec<(Turn, Box<str>)> = order.collect();
    order.sort_unstable();
    let mut evicted = Vec::new();
    for (_, name) in order {
        if held <= max_bytes {
            break;
        }
        if let Some(entry) = cached.remove(&name) {
            held = held.saturating_sub(entry.issuer.key_bytes());
            evicted.push((name, entry));
        }
    }
    evicted
}
