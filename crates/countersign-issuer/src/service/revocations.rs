//! Revocation of the issuer's own tokens: stored first, then handed to sinks.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use countersign_core::clock::UnixTime;
use countersign_core::revocation::{
    ChangeFuture, LogPage, RevocationNotice, RevocationSink, RevokedTokens, SinkError, SinkFuture,
};
use countersign_core::verify::Verified;
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::revocation::RevocationError;
use crate::store::{AsyncStore, IdList, Insertion, NoticePage, StoreError, StoreErrorKind, is_meant, notice_digest};

/// The revocations of an issuer, in its store.
pub(crate) struct Revocations {
    store: AsyncStore,
    sinks: Vec<Arc<dyn RevocationSink>>,
    /// The number of revocations that this instance stored.
    stored: watch::Sender<u64>,
}

impl Revocations {
    pub(crate) fn new(store: AsyncStore, sinks: Vec<Arc<dyn RevocationSink>>) -> Self {
        Revocations { store, sinks, stored: watch::Sender::new(0) }
    }

    /// Stores a revocation in a place of `client`, then tells it to the sinks.
    pub(super) async fn revoke(&self, client: &str, notice: &RevocationNotice) -> Result<(), RevocationError> {
        let digest = notice_digest(notice.tokens()).ok_or(RevocationError::Store(UNSUPPORTED))?;
        let (tokens, expires_at) = (notice.tokens().clone(), notice.expires_at());
        check(self.store.put_notice(client, digest, tokens, expires_at).await?)?;
        self.stored.send_modify(|stored| *stored = stored.wrapping_add(1));
        let mut told = Ok(());
        for sink in &self.sinks {
            told = sink.revoke(notice.clone()).await.and(told);
        }
        told.map_err(RevocationError::NotDistributed)
    }

    /// As [`revoke`](Self::revoke), on the calling thread and for the issuer itself.
    pub(super) fn revoke_blocking(&self, notice: &RevocationNotice) -> Result<(), RevocationError> {
        let digest = notice_digest(notice.tokens()).ok_or(RevocationError::Store(UNSUPPORTED))?;
        check(self.store.put_own_notice(&digest, notice.tokens(), notice.expires_at())?)?;
        self.stored.send_modify(|stored| *stored = stored.wrapping_add(1));
        let mut told = Ok(());
        for sink in &self.sinks {
            told = at_once(sink.revoke(notice.clone())).and(told);
        }
        told.map_err(RevocationError::NotDistributed)
    }

    /// The stored revocations after a number without those that are over, and the number up to which they are.
    async fn after(&self, sequence: u64) -> Result<(NoticePage, u64), StoreError> {
        self.store.notices_after(sequence).await
    }

    /// Completes when this instance stores another revocation.
    pub(super) fn changed(&self) -> ChangeFuture {
        let mut stored = self.stored.subscribe();
        Box::pin(async move { drop(stored.changed().await) })
    }

    /// Returns whether a token of the issuer is revoked, on behalf of `client`: itself, or with others of its session, its
    /// subject, its actor or its client.
    pub(crate) async fn is_revoked(&self, client: &str, token: &Verified) -> Result<bool, StoreError> {
        let Some(id) = token.token_id() else { return Ok(true) }; // the profile requires one
        if self.store.contains_id(IdList::RevokedTokens, client, id, token.expires_at()).await? {
            return Ok(true);
        }
        let digests = names_of(token, id).iter().filter_map(notice_digest).collect();
        let found = self.store.find_notices(client, digests, token.expires_at()).await?;
        let is_revoked = found.notices.iter().any(|notice| is_meant(&notice.tokens, token.issued_at()));
        if !is_revoked && found.may_be_removed {
            return Err(StoreError::new(StoreErrorKind::Removed));
        }
        Ok(is_revoked)
    }
}

/// The page after a number, as revocations of `issuer`.
pub(super) async fn page_of(revocations: &Revocations, issuer: &str, after: u64) -> Result<LogPage, SinkError> {
    let found = revocations.after(after).await;
    let (page, end) = found.map_err(|error| SinkError::Unavailable(error.to_string()))?;
    let notices = page.notices.into_iter();
    let notices = notices.filter_map(|stored| RevocationNotice::new(issuer, stored.tokens, stored.expires_at).ok());
    Ok(LogPage::new(page.log, end, end >= page.last, notices.collect()))
}

/// The names by which a token may be revoked.
fn names_of(token: &Verified, id: &str) -> Vec<RevokedTokens> {
    let any = UnixTime::default();
    let mut names = vec![
        RevokedTokens::All(any),
        RevokedTokens::Token(id.into()),
        RevokedTokens::Subject(token.subject().into(), any),
    ];
    if let Some(actor) = token.actor()
        && token.actor_issuer() == Some(token.issuer())
    {
        names.push(RevokedTokens::Subject(actor.into(), any));
    }
    names.extend(token.client_id().map(|client| RevokedTokens::Client(client.into(), any)));
    let claims = token.claims::<Map<String, Value>>().ok();
    let session = claims.as_ref().and_then(|claims| claims.get("sid")?.as_str());
    names.extend(session.map(|session| RevokedTokens::Session(session.into())));
    names
}

fn check(insertion: Insertion) -> Result<(), RevocationError> {
    match insertion {
        Insertion::New | Insertion::Unknown | Insertion::Present => Ok(()),
        Insertion::Full => Err(RevocationError::Full),
    }
}

/// The outcome of a sink that need not wait, such as a list in memory.
fn at_once(mut taken: SinkFuture) -> Result<(), SinkError> {
    match taken.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(taken) => taken,
        Poll::Pending => Err(SinkError::Unavailable("the sink has to be awaited; call Issuer::revoke".to_owned())),
    }
}

const UNSUPPORTED: StoreError = StoreError::new(StoreErrorKind::Unsupported);

impl fmt::Debug for Revocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocations").field("sinks", &self.sinks).finish_non_exhaustive()
    }
}
