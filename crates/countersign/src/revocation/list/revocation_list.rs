//! Revocations in memory: bounded, read without a lock.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_core::clock::{Clock, UnixTime};
use countersign_core::error::Fault;
use countersign_core::integration::{
    Counter, IdentifierKind, ListStates, SessionIdentifier, session_identifier, token_identifier,
};
use countersign_core::revocation::{RevocationNotice, RevocationSink, RevokedTokens, SinkFuture};
use countersign_core::verify::Verified;

use super::full::RevocationsFull;
use super::identifiers::Identifiers;
use super::names::Names;
use super::source::{Source, Sources};
use super::stats::{RevocationProblem, RevocationStats};
use super::writer::Writer;
use crate::revocation::changes::{RevocationChanges, RevocationSignal};
use crate::revocation::check::{RevocationCheck, RevocationQuery, RevocationStatus};
use crate::revocation::name::{Kind, NameRef};
use crate::revocation::retention::Retention;
use crate::revocation::shares::Holder;

/// The most revoked identifiers of one issuer in a list.
const MAX_REVOCATIONS: usize = 500_000;

/// The longest time for which a revocation is kept.
const MAX_RETENTION: Duration = Duration::from_secs(366 * 86_400);

/// 2000-01-01: no token was issued before, so an earlier time is that of a clock that has not been set.
const FIRST_TIME: UnixTime = UnixTime::from_secs(946_684_800);

/// A list of revoked tokens, sessions, subjects, clients and issuers in the memory of this process.
///
/// Share it in an `Arc` with the code that learns of revocations: by its methods, as a
/// [`RevocationSink`], or by a [feed](Self::feed). An entry is removed once every token that it could stop has expired. A full
/// list refuses new entries: removing an older one would accept its token again. One issuer fills at most half of the list, and
/// one subject that [revokes its own tokens](Self::revoke) at most a quarter: the others find room. What the operator revokes
/// counts apart from what subjects do.
///
/// A token is only valid if the list would name it. If the issuer has revocations of tokens, the status of a token without
/// `jti` is unknown; so is that of one without `client_id` if it has revocations of clients, and of one without both `sub`
/// and `client_id` if it has revocations of subjects. A token without any of these names is always unknown. Sessions are
/// optional in access tokens: a token without `sid` belongs to none, and a revocation of a session does not mean it. If the
/// `sid` is no string, or the token states that it is elsewhere, and the issuer has revocations of sessions, it is unknown.
///
/// An entry is kept for at most [`max_retention`](Self::max_retention). After that, tokens that may have been meant and have
/// not expired are unknown. A token or session takes at most 24 bytes, any other entry about 500, whatever its names; a holder
/// that revokes its own tokens takes 50 more.
///
/// A wall clock that is set does not undo a revocation. Entries are removed by monotonic time, so a clock that goes ahead
/// removes none within an hour. If the clock goes back after entries were removed, the status of tokens that expired before
/// them is unknown, because their revocations may be gone.
///
/// ```
/// use std::sync::Arc;
/// use countersign::{clock::UnixTime, prelude::*, revocation::RevocationList};
///
/// fn app(verifier: Verifier) -> Result<(), Box<dyn std::error::Error>> {
///     let revoked = Arc::new(RevocationList::new());
///     let layer = AuthenticateLayer::builder(verifier).revocation(Arc::clone(&revoked)).build()?;
///     revoked.revoke_token("https://id.example.com", "jti-of-the-token", UnixTime::from_secs(1_900_000_000))?;
/// #   let _ = layer;
///     Ok(())
/// }
/// # let _ = app;
/// ```
pub struct RevocationList {
    pub(super) identifiers: Identifiers,
    /// The states of `identifiers`.
    pub(super) states: ListStates,
    pub(super) names: Names,
    /// Issuers with revocations that found no room; the empty name stands for all issuers.
    pub(super) refused: papaya::HashMap<Box<str>, ()>,
    /// False if there are none. The length of the map is a sum over all cores.
    pub(super) has_refused: AtomicBool,
    pub(super) refusals: Counter,
    /// Sent when what is revoked grows.
    pub(super) signal: RevocationSignal,
    sources: Sources,
    /// Held while an entry is added, so that the bound is exact.
    pub(super) writer: Mutex<Writer>,
    max_entries: usize,
    pub(super) max_retention: Duration,
    pub(super) retention: Retention,
}

impl RevocationList {
    /// Creates an empty list of up to 500,000 revoked tokens and sessions of one issuer, and 1,000,000 of all issuers; and of
    /// up to 65,536 subjects and clients of one issuer, and twice as many of all.
    #[must_use]
    pub fn new() -> Self {
        RevocationList {
            identifiers: Identifiers::new(),
            states: ListStates::new(),
            names: Names::default(),
            refused: papaya::HashMap::new(),
            has_refused: AtomicBool::new(false),
            refusals: Counter::default(),
            signal: RevocationSignal::new(),
            sources: Sources::default(),
            writer: Mutex::new(Writer::new(MAX_REVOCATIONS)),
            max_entries: MAX_REVOCATIONS,
            max_retention: MAX_RETENTION,
            retention: Retention::default(),
        }
    }

    /// Sets the most revocations of one issuer by subjects and clients, and the most by the operator. All together get twice as
    /// many, so that one issuer cannot fill the list. There are never more than 2,097,152 of one issuer.
    #[must_use]
    pub fn max_entries(mut self, revocations: usize) -> Self {
        self.max_entries = revocations;
        self.writer = Mutex::new(Writer::new(revocations));
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
        let holder = Some(Holder::of(token));
        self.add_identifier(IdentifierKind::Token, token.issuer(), id, holder, token.expires_at())
    }

    /// Revokes the token that `issuer` identifies by `token_id` (`jti`) and that expires at `expires_at`; pass
    /// `UnixTime::MAX` if the expiry is unknown.
    ///
    /// # Errors
    /// [`RevocationsFull`]; the token is still accepted then.
    pub fn revoke_token(&self, issuer: &str, token_id: &str, expires_at: UnixTime) -> Result<(), RevocationsFull> {
        self.add_identifier(IdentifierKind::Token, issuer, token_id, None, expires_at)
    }

    /// Revokes the tokens of the session that `issuer` identifies by `session_id` (`sid`), all of which expire by `expires_at`.
    ///
    /// # Errors
    /// As [`revoke_token`](Self::revoke_token).
    pub fn revoke_session(&self, issuer: &str, session_id: &str, expires_at: UnixTime) -> Result<(), RevocationsFull> {
        self.add_identifier(IdentifierKind::Session, issuer, session_id, None, expires_at)
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
        self.add_for(NameRef::subject(issuer, subject), issued_before, max_lifetime)
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
        self.add_for(NameRef::client(issuer, client_id), issued_before, max_lifetime)
    }

    /// Revokes every token of this issuer that was issued before `issued_before` or has no time of issue. Times are as for
    /// [`revoke_subject`](Self::revoke_subject).
    ///
    /// # Errors
    /// As [`revoke_subject`](Self::revoke_subject).
    pub fn revoke_all(
        &self,
        issuer: &str,
        issued_before: UnixTime,
        max_lifetime: Duration,
    ) -> Result<(), RevocationsFull> {
        self.add_for(NameRef::all(Kind::Issuer, issuer), issued_before, max_lifetime)
    }

    /// The number of revocations in the list.
    #[must_use]
    pub fn len(&self) -> usize {
        self.identifiers.len() + self.names.len()
    }

    /// Returns whether the list is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Numbers for dashboards and alarms.
    ///
    /// ```
    /// use countersign::revocation::RevocationList;
    ///
    /// let stats = RevocationList::new().stats();
    /// assert!(stats.is_complete && stats.entries == 0 && stats.age.is_none());
    /// ```
    #[must_use]
    pub fn stats(&self) -> RevocationStats {
        let ages = || self.sources.iter().map(|source| source.age(&self.retention));
        let is_stale = self.sources.iter().any(|source| source.is_stale(&self.retention));
        let problem = match (is_stale, self.refused.is_empty()) {
            (true, _) => Some(RevocationProblem::NotConfirmed),
            (false, false) => Some(RevocationProblem::NoRoom),
            (false, true) => None,
        };
        RevocationStats {
            entries: self.len(),
            refused: self.refusals.sum(),
            age: ages().collect::<Option<Vec<_>>>().and_then(|ages| ages.into_iter().max()),
            is_complete: problem.is_none(),
            problem,
        }
    }

    pub(super) fn add_source(&self, source: &Arc<Source>) {
        self.sources.add(Arc::clone(source));
    }

    /// Adds the revocation that a notice tells of.
    pub(super) fn take(&self, notice: &RevocationNotice) -> Result<(), RevocationsFull> {
        let (issuer, expires_at) = (notice.issuer(), notice.expires_at());
        let (name, before) = match notice.tokens() {
            RevokedTokens::Token(id) => return self.revoke_token(issuer, id, expires_at),
            RevokedTokens::Session(id) => return self.revoke_session(issuer, id, expires_at),
            RevokedTokens::Subject(subject, before) => (NameRef::subject(issuer, subject), *before),
            RevokedTokens::Client(client, before) => (NameRef::client(issuer, client), *before),
            RevokedTokens::All(before) => (NameRef::all(Kind::Issuer, issuer), *before),
            _ => (NameRef::all(Kind::Issuer, issuer), expires_at), // a kind that is not known here may mean any token
        };
        self.add_name(name, self.set_time(before)?, expires_at)
    }

    fn add_for(
        &self,
        name: NameRef<'_>,
        issued_before: UnixTime,
        max_lifetime: Duration,
    ) -> Result<(), RevocationsFull> {
        let issued_before = self.set_time(issued_before)?;
        self.add_name(name, issued_before, issued_before.saturating_add(max_lifetime))
    }

    /// The time, or the present one if it comes from a clock that has not been set.
    fn set_time(&self, issued_before: UnixTime) -> Result<UnixTime, RevocationsFull> {
        let is_set = |time: &UnixTime| *time >= FIRST_TIME;
        [issued_before, self.retention.now()].into_iter().find(is_set).ok_or(RevocationsFull)
    }

    #[inline]
    fn status(&self, token: &Verified) -> RevocationStatus {
        // Read before the list: a list that is complete now has all that makes it so.
        let may_miss = self.may_miss(token.issuer());
        match self.listed(token) {
            RevocationStatus::Valid if may_miss => RevocationStatus::Unknown,
            status => status,
        }
    }

    /// The status by what is in the list.
    #[inline]
    fn listed(&self, token: &Verified) -> RevocationStatus {
        let id = token_identifier(token);
        let search = self.states.search(token); // before the list is read
        let has_identifiers = self.identifiers.len() > 0;
        let identifiers = (has_identifiers && search.is_some()).then(|| self.identifiers.snapshot());
        if let (Some(identifiers), Some(id)) = (&identifiers, id)
            && identifiers.contains(id)
        {
            return RevocationStatus::Revoked;
        }
        if id.is_none() && Names::subject_of(token).is_none() {
            return RevocationStatus::Unknown; // no revocation could name it
        }
        let by_names = if self.names.has_any() { self.names.status(token) } else { RevocationStatus::Valid };
        if by_names == RevocationStatus::Revoked {
            return by_names;
        }
        // Its claims are decoded once for the name of its session, which few issuers revoke.
        let has_sessions = has_identifiers && self.names.has_of_any(Kind::Session);
        let session = has_sessions.then(|| session_identifier(token));
        if let Some(identifiers) = identifiers {
            if let Some(SessionIdentifier::Digest(session)) = session
                && identifiers.contains(session)
            {
                return RevocationStatus::Revoked;
            }
            if let Some(search) = search {
                search.found_none();
            }
        }
        let is_session_unreadable = session == Some(SessionIdentifier::Unreadable);
        let is_unnamed = |kind, is_named: bool| !is_named && self.names.has_of(kind, token.issuer());
        if is_unnamed(Kind::Token, id.is_some()) || is_unnamed(Kind::Session, !is_session_unreadable) {
            return RevocationStatus::Unknown;
        }
        // Read after the list: an entry is marked as removed before it is.
        let is_doubtful =
            self.retention.may_have_removed(token.expires_at()) || self.retention.may_have_forgotten(token.issued_at());
        if is_doubtful { RevocationStatus::Unknown } else { by_names }
    }

    /// Returns whether a revocation of this issuer may be missing in the list.
    #[inline]
    fn may_miss(&self, issuer: &str) -> bool {
        let is_refused = || {
            let refused = self.refused.pin();
            refused.contains_key(issuer) || refused.contains_key("")
        };
        self.sources.iter().any(|source| source.is_stale(&self.retention))
            || self.has_refused.load(Ordering::Acquire) && is_refused()
    }
}

impl RevocationCheck for RevocationList {
    fn check(&self, token: &Arc<Verified>) -> RevocationQuery {
        RevocationQuery::Known(self.status(token))
    }

    fn changes(&self) -> Option<RevocationChanges> {
        Some(self.signal.changes())
    }

    fn attach(&self, clock: &Arc<dyn Clock>) -> Vec<Fault> {
        self.retention.attach(clock)
    }
}

/// Takes a notice at once. One that finds no room is refused with [`SinkError::Full`](crate::revocation::SinkError::Full), and
/// its tokens are still accepted.
impl RevocationSink for RevocationList {
    fn revoke(&self, notice: RevocationNotice) -> SinkFuture {
        Box::pin(std::future::ready(self.take(&notice).map_err(Into::into)))
    }
}

impl Default for RevocationList {
    fn default() -> Self {
        Self::new()
    }
}

/// Only numbers: names of subjects are personal.
impl fmt::Debug for RevocationList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationList")
            .field("len", &self.len())
            .field("max_entries", &self.max_entries)
            .finish_non_exhaustive()
    }
}

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
            let (list, clock) = (RevocationList::new().max_entries(2), issuer.clock().clone());
            assert!(list.attach(&(Arc::new(clock.clone()) as Arc<dyn Clock>)).is_empty());
            let in_a_minute = clock.now().saturating_add(HOUR / 60);
            list.revoke_token(issuer.name(), "short", in_a_minute).expect("room");
            list.revoke_token(issuer.name(), "other", clock.now().saturating_add(lasts)).expect("room");
            clock.advance(HOUR * 2);
            for other in ["one", "two"] {
                list.revoke_token("https://other.test", other, clock.now()).expect("room, after a search");
            }
            let token = issuer.token().audience("api").subject("bob").lifetime(HOUR).without_claim("jti").sign();
            let token = issuer.verifier_for("api").verify(&token).await.expect("good");
            assert_eq!(list.status(&token), expected, "{lasts:?}");
        }
    }

    /// A token remembers the state of one list in which it was not found.
    #[tokio::test]
    async fn s11_06_a_token_that_was_valid_in_any_list_is_found_once_it_is_revoked() {
        let issuer = TestIssuer::new();
        let revoke_token = |list: &RevocationList| list.revoke_token(issuer.name(), "one", UnixTime::MAX);
        let revoke_session = |list: &RevocationList| list.revoke_session(issuer.name(), "two", UnixTime::MAX);
        for revoke in [&revoke_token as &dyn Fn(&RevocationList) -> _, &revoke_session] {
            for revoked in 0..2 {
                let lists = [(); 2].map(|()| RevocationList::new());
                let token = issuer.token().audience("api").claim("jti", "one").claim("sid", "two");
                let token = issuer.verifier_for("api").verify(&token.sign()).await.expect("good");
                let statuses = || [&lists[0], &lists[1]].map(|list| list.status(&token));
                for list in &lists {
                    list.revoke_token(issuer.name(), "another", UnixTime::MAX).expect("room");
                }
                for _ in 0..3 {
                    assert_eq!(statuses(), [RevocationStatus::Valid; 2]);
                }
                revoke(&lists[revoked]).expect("room");
                for _ in 0..3 {
                    let mut expected = [RevocationStatus::Valid; 2];
                    expected[revoked] = RevocationStatus::Revoked;
                    assert_eq!(statuses(), expected);
                }
            }
        }
    }

    #[test]
    fn s15_01_a_list_without_entries_takes_none() {
        let list = RevocationList::new().max_entries(0);
        assert!(list.revoke_token("https://id.test", "one", UnixTime::MAX).is_err() && list.is_empty());
    }
}
