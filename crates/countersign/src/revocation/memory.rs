//! Revocations in memory: bounded, read without a lock.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_core::clock::{Clock, UnixTime};
use countersign_core::error::Fault;
use countersign_core::verify::Verified;

use super::check::{RevocationCheck, RevocationQuery, RevocationStatus};
use super::name::{Kind, Name, NameRef};
use super::retention::{Retention, Term};
use super::shares::{Holder, ListShares, Place};

/// The most revocations of one issuer in a list.
const MAX_REVOCATIONS: usize = 65_536;

/// The time between two searches for entries that are over, so that refused revocations cost no search each.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// The longest time for which a revocation is kept.
const MAX_RETENTION: Duration = Duration::from_secs(366 * 86_400);

/// 2000-01-01: no token was issued before, so an earlier time is that of a clock that has not been set.
const FIRST_TIME: UnixTime = UnixTime::from_secs(946_684_800);

/// A list of revoked tokens, subjects and clients in the memory of this process.
///
/// Share it in an `Arc` with the code that learns of revocations. An entry is removed once every token that it could stop
/// has expired. A full list refuses new entries: removing an older one would accept its token again. One issuer fills at most
/// half of the list, and one subject that [revokes its own tokens](Self::revoke) at most a quarter: the others find room. What the
/// operator revokes counts apart from what subjects do.
///
/// A token is only valid if the list would name it. If the issuer has revocations of tokens, the status of a token without
/// `jti` is unknown; so is that of one without `client_id` if it has revocations of clients, and of one without both `sub`
/// and `client_id` if it has revocations of subjects. A token without any of these names is always unknown.
///
/// An entry is kept for at most [`max_retention`](Self::max_retention). After that, tokens that may have been meant and have
/// not expired are unknown. An entry takes about 500 bytes, whatever its names.
///
/// A wall clock that is set does not undo a revocation. Entries are removed by monotonic time, so a clock that goes ahead
/// removes none within an hour. If the clock goes back after entries were removed, the status of tokens that expired before
/// them is unknown, because their revocations may be gone.
///
/// ```
/// use std::sync::Arc;
/// use countersign::{clock::UnixTime, prelude::*, revocation::MemoryRevocations};
///
/// fn app(verifier: Verifier) -> Result<(), Box<dyn std::error::Error>> {
///     let revoked = Arc::new(MemoryRevocations::new());
///     let layer = AuthenticateLayer::builder(verifier).revocation(Arc::clone(&revoked)).build()?;
///     revoked.revoke_token("https://id.example.com", "jti-of-the-token", UnixTime::from_secs(1_900_000_000))?;
/// #   let _ = layer;
///     Ok(())
/// }
/// # let _ = app;
/// ```
pub struct MemoryRevocations {
    entries: papaya::HashMap<Name, Entry>,
    /// The kinds of names that an issuer has entries of.
    kinds: papaya::HashMap<Name, Term>,
    /// Held while an entry is added, so that the bound is exact.
    places: Mutex<Places>,
    shares: ListShares,
    max_entries: usize,
    max_retention: Duration,
    retention: Retention,
}

/// The place of each entry.
#[derive(Default)]
struct Places {
    of_entries: HashMap<Name, Place>,
    /// The monotonic time of the last search for entries that are over.
    swept_at: Option<Duration>,
}

#[derive(Clone, Copy)]
struct Entry {
    /// Only tokens issued before this time are revoked; all if there is none.
    issued_before: Option<UnixTime>,
    term: Term,
}

/// The error of a full list, or of an issuer or subject that used up its share: the revocation was not added.
///
/// ```
/// use countersign::{clock::UnixTime, revocation::MemoryRevocations};
///
/// let full = MemoryRevocations::new().max_entries(0);
/// assert!(full.revoke_token("https://id.example.com", "jti", UnixTime::MAX).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct RevocationsFull;

impl MemoryRevocations {
    /// Creates an empty list of up to 65,536 revocations of one issuer, and twice as many of all issuers.
    #[must_use]
    pub fn new() -> Self {
        MemoryRevocations {
            entries: papaya::HashMap::new(),
            kinds: papaya::HashMap::new(),
            places: Mutex::default(),
            shares: ListShares::new(MAX_REVOCATIONS),
            max_entries: MAX_REVOCATIONS,
            max_retention: MAX_RETENTION,
            retention: Retention::default(),
        }
    }

    /// Sets the most revocations of one issuer by subjects and clients, and the most by the operator. All together get twice as
    /// many, so that one issuer cannot fill the list.
    #[must_use]
    pub fn max_entries(mut self, revocations: usize) -> Self {
        self.max_entries = revocations;
        self.shares = ListShares::new(revocations);
        self
    }

    /// Sets how long a revocation is kept at most. Default: 366 days. No token should live longer.
    #[must_use]
    pub fn max_retention(mut self, longest: Duration) -> Self {
        self.max_retention = longest;
        self
    }

    /// Revokes this token, such as at its holder's sign-out. Its subject (its client if it has none) fills at most half of its
    /// issuer's share, so that a user who revokes own tokens without end keeps nobody else from it.
    ///
    /// # Errors
    /// [`RevocationsFull`], also for a token without `jti`; the token is still accepted then.
    pub fn revoke(&self, token: &Verified) -> Result<(), RevocationsFull> {
        let id = token.token_id().ok_or(RevocationsFull)?;
        let name = NameRef::token(token.issuer(), id);
        self.add(name, Some(Holder::of(token)), None, token.expires_at())
    }

    /// Revokes the token that `issuer` identifies by `token_id` (`jti`) and that expires at `expires_at`; pass
    /// `UnixTime::MAX` if the expiry is unknown.
    ///
    /// # Errors
    /// [`RevocationsFull`]; the token is still accepted then.
    pub fn revoke_token(&self, issuer: &str, token_id: &str, expires_at: UnixTime) -> Result<(), RevocationsFull> {
        self.add(NameRef::token(issuer, token_id), None, None, expires_at)
    }

    /// Revokes every token of this subject that was issued before `issued_before` or has no time of issue: those in whose name
    /// it acts itself (`sub`, or `client_id` in a token without `sub`), and those with which it acts for others (`act.sub`),
    /// also tokens of another issuer that name this one as the actor's (`act.iss`).
    ///
    /// `max_lifetime` is the longest lifetime of the issuer's tokens; the revocation is removed after it. Issuers write whole
    /// seconds: a subject that signs in again within the same second may have to do so once more.
    ///
    /// A time before the year 2000 comes from a clock that has not been set. The present time of the list's clock counts then.
    ///
    /// # Errors
    /// [`RevocationsFull`], also if neither clock has been set; the tokens are still accepted then.
    pub fn revoke_subject(
        &self,
        issuer: &str,
        subject: &str,
        issued_before: UnixTime,
        max_lifetime: Duration,
    ) -> Result<(), RevocationsFull> {
        self.add_issued_before(NameRef::subject(issuer, subject), issued_before, max_lifetime)
    }

    /// Revokes every token that was issued to this client (`client_id`) before `issued_before` or has no time of issue, in
    /// whoever's name. Times are as for [`revoke_subject`](Self::revoke_subject).
    ///
    /// # Errors
    /// As [`revoke_subject`](Self::revoke_subject).
    pub fn revoke_client(
        &self,
        issuer: &str,
        client_id: &str,
        issued_before: UnixTime,
        max_lifetime: Duration,
    ) -> Result<(), RevocationsFull> {
        self.add_issued_before(NameRef::client(issuer, client_id), issued_before, max_lifetime)
    }

    /// The number of revocations in the list.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether the list is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn add_issued_before(
        &self,
        name: NameRef<'_>,
        issued_before: UnixTime,
        max_lifetime: Duration,
    ) -> Result<(), RevocationsFull> {
        let is_set = |time: &UnixTime| *time >= FIRST_TIME;
        let times = [issued_before, self.retention.now()];
        let issued_before = times.into_iter().find(is_set).ok_or(RevocationsFull)?;
        self.add(name, None, Some(issued_before), issued_before.saturating_add(max_lifetime))
    }

    fn add(
        &self,
        name: NameRef<'_>,
        holder: Option<Holder<'_>>,
        issued_before: Option<UnixTime>,
        expires_at: UnixTime,
    ) -> Result<(), RevocationsFull> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = self.entries.pin();
        let known = entries.get(&name).copied();
        if known.is_none() {
            let place = || self.shares.place(name.issuer(), holder);
            let place = place().or_else(|| {
                self.sweep(&mut places);
                place()
            });
            places.of_entries.insert(name.into(), place.ok_or(RevocationsFull)?);
        }
        let mut entry =
            Entry { issued_before, term: self.retention.term(expires_at, issued_before, self.max_retention) };
        if let Some(known) = known {
            // Of two revocations of one name, the further-reaching counts.
            entry.issued_before = entry.issued_before.zip(known.issued_before).map(|(own, other)| own.max(other));
            entry.term = entry.term.join(known.term);
        }
        let kinds = self.kinds.pin();
        let all = NameRef::all(name.kind(), name.issuer());
        let kind_term = kinds.get(&all).map_or(entry.term, |known| known.join(entry.term));
        kinds.insert(all.into(), kind_term);
        entries.insert(name.into(), entry);
        Ok(())
    }

    /// Removes the entries that are over, unless that was done just now.
    fn sweep(&self, places: &mut Places) {
        let elapsed = self.retention.elapsed();
        if places.swept_at.is_some_and(|last| elapsed.abs_diff(last) < SWEEP_EVERY) {
            return;
        }
        places.swept_at = Some(elapsed);
        let now = self.retention.sweep_time();
        self.entries.pin().retain(|name, entry| {
            let is_kept = !self.retention.may_remove(entry.term, now);
            if !is_kept {
                places.of_entries.remove(name);
            }
            is_kept
        });
        self.kinds.pin().retain(|_, term| !self.retention.is_over(*term, now));
    }

    fn status(&self, token: &Verified) -> RevocationStatus {
        let present = |name: &&str| !name.is_empty();
        let (id, client) = (token.token_id().filter(present), token.client_id().filter(present));
        let subject = Some(token.subject()).filter(present).or(client);
        if id.is_none() && subject.is_none() {
            return RevocationStatus::Unknown; // no revocation could name it
        }
        if !self.is_empty() {
            let issuer = token.issuer();
            let actor = token.actor_issuer().zip(token.actor());
            let (entries, kinds) = (self.entries.pin(), self.kinds.pin());
            let is_revoked = |name| {
                let of_time = |before| token.issued_at().is_none_or(|issued| issued < before);
                entries.get(&name).is_some_and(|entry| entry.issued_before.is_none_or(of_time))
            };
            if id.is_some_and(|id| is_revoked(NameRef::token(issuer, id)))
                || subject.is_some_and(|subject| is_revoked(NameRef::subject(issuer, subject)))
                || actor.is_some_and(|(issuer, actor)| is_revoked(NameRef::subject(issuer, actor)))
                || client.is_some_and(|client| is_revoked(NameRef::client(issuer, client)))
            {
                return RevocationStatus::Revoked;
            }
            let is_unnamed = |kind, is_named: bool| !is_named && kinds.contains_key(&NameRef::all(kind, issuer));
            if is_unnamed(Kind::Token, id.is_some())
                || is_unnamed(Kind::Subject, subject.is_some())
                || is_unnamed(Kind::Client, client.is_some() && !token.is_client_unknown())
            {
                return RevocationStatus::Unknown;
            }
            // An unknown actor may be a subject of any issuer.
            if token.is_actor_unknown() && kinds.keys().any(|name| name.kind() == Kind::Subject) {
                return RevocationStatus::Unknown;
            }
        }
        // Read after the list: an entry is marked as removed before it is.
        let is_doubtful =
            self.retention.may_have_removed(token.expires_at()) || self.retention.may_have_forgotten(token.issued_at());
        if is_doubtful { RevocationStatus::Unknown } else { RevocationStatus::Valid }
    }
}

impl RevocationCheck for MemoryRevocations {
    fn check(&self, token: &Arc<Verified>) -> RevocationQuery {
        RevocationQuery::Known(self.status(token))
    }

    fn attach(&self, clock: &Arc<dyn Clock>) -> Vec<Fault> {
        self.retention.attach(clock)
    }
}

impl Default for MemoryRevocations {
    fn default() -> Self {
        Self::new()
    }
}

/// Only numbers: names of subjects are personal.
impl fmt::Debug for MemoryRevocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRevocations")
            .field("len", &self.len())
            .field("max_entries", &self.max_entries)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for RevocationsFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the list of revocations, or the share of this issuer or subject, is full; raise max_entries or shorten tokens' lifetimes")
    }
}

impl std::error::Error for RevocationsFull {}

#[cfg(test)]
mod tests {
    use countersign_test::TestIssuer;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// A token that no revocation of a token could name.
    #[tokio::test]
    async fn s11_06_a_token_without_jti_is_unknown_for_as_long_as_its_issuer_has_a_revocation_of_one() {
        for (lasts, expected) in [(HOUR * 10, RevocationStatus::Unknown), (HOUR / 60, RevocationStatus::Valid)] {
            let issuer = TestIssuer::new();
            let (list, clock) = (MemoryRevocations::new().max_entries(2), issuer.clock().clone());
            assert!(list.attach(&(Arc::new(clock.clone()) as Arc<dyn Clock>)).is_empty());
            let in_a_minute = clock.now().saturating_add(HOUR / 60);
            list.revoke_token(issuer.name(), "short", in_a_minute).expect("room");
            list.revoke_token(issuer.name(), "other", clock.now().saturating_add(lasts)).expect("room");
            clock.advance(HOUR);
            list.revoke_subject(issuer.name(), "ann", clock.now(), HOUR).expect("room: one is over");
            let token = issuer.token().audience("api").subject("bob").lifetime(HOUR).without_claim("jti").sign();
            let token = issuer.verifier_for("api").verify(&token).await.expect("good");
            assert_eq!(list.status(&token), expected, "{lasts:?}");
        }
    }

    #[test]
    fn s15_01_a_list_without_entries_takes_none() {
        let list = MemoryRevocations::new().max_entries(0);
        assert!(list.revoke_token("https://id.test", "one", UnixTime::MAX).is_err() && list.is_empty());
    }
}
