//! A source that keeps a list up to date.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::revocation::{RevocationNotice, SinkError};

use super::revocation_list::RevocationList;
use super::source::Source;

/// Keeps a list up to date from one source, such as a stream; [`RevocationList::feed`] makes it.
///
/// Whoever reads the source [applies](Self::apply) each notice in order, and [confirms](Self::confirm) whenever it has read
/// everything, at least once within the feed's `max_age`. Until the first time, and if it stops, every status that is not
/// revoked is unknown: a revocation may be under way. So it stays if all clones of the feed are dropped.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use countersign::{clock::UnixTime, revocation::{RevocationList, RevocationNotice}};
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let list = Arc::new(RevocationList::new());
/// let feed = list.feed(Duration::from_secs(10));
/// assert!(feed.age().is_none());
/// feed.apply(&RevocationNotice::token("https://id.example.com", "a-jti", UnixTime::MAX)?)?;
/// feed.confirm();
/// assert!(feed.age().is_some() && list.len() == 1);
/// # Ok(())
/// # }
/// # example().unwrap();
/// ```
#[derive(Clone)]
pub struct RevocationFeed {
    list: Arc<RevocationList>,
    source: Arc<Source>,
}

impl RevocationList {
    /// A feed of this list from one source. As long as the source has not confirmed that the list is complete, or not within
    /// `max_age`, statuses that are not revoked are unknown, and the
    /// [`UnknownPolicy`](crate::revocation::UnknownPolicy) decides.
    ///
    /// Make one feed for each source, before the list is used.
    #[must_use]
    pub fn feed(self: &Arc<Self>, max_age: Duration) -> RevocationFeed {
        let source = Arc::new(Source::new(max_age));
        self.add_source(&source);
        RevocationFeed { list: Arc::clone(self), source }
    }
}

impl RevocationFeed {
    /// Adds a revocation to the list, for all requests that come after this returns.
    ///
    /// # Errors
    /// [`SinkError::Full`]. Statuses of the notice's issuer that are not revoked are unknown from now on, until all tokens that
    /// the notice means have expired. Others are as before.
    pub fn apply(&self, notice: &RevocationNotice) -> Result<(), SinkError> {
        let taken = self.list.take(notice);
        if taken.is_err() {
            self.list.note_refused(notice.issuer(), notice.expires_at());
        }
        Ok(taken?)
    }

    /// States that the list now has everything that the source had at this moment.
    pub fn confirm(&self) {
        self.list.sweep_refused();
        self.source.confirm(&self.list.retention);
    }

    /// The time since the last confirmation; `None` before the first.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.source.age(&self.list.retention)
    }
}

impl fmt::Debug for RevocationFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationFeed")
            .field("max_age", &self.source.max_age())
            .field("age", &self.age())
            .finish_non_exhaustive()
    }
}
