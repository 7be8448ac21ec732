//! The operations that revoke tokens, and the list of revocations for whoever distributes them.

use std::time::Duration;

use countersign_core::clock::UnixTime;
use countersign_core::revocation::{ChangeFuture, LogFuture, RevocationLog, RevocationNotice};
use countersign_core::verify::Verified;

use super::issuer::Issuer;
use super::revocation::RevocationError;
use super::revocations::page_of;
use crate::audit;
use crate::client::Client;
use crate::policy::MAX_TOKEN_LIFETIME;
use crate::status::StatusIndex;

/// The time by which the clock of whoever revokes may be ahead.
const MAX_AHEAD: Duration = Duration::from_secs(60);

impl Issuer {
    /// Revokes tokens of this issuer: one, or those of a session, a subject or a client. Introspection then reports them as
    /// inactive, and they cannot be exchanged.
    ///
    /// `Ok` means that the revocation is stored, and that the [sinks](crate::IssuerBuilder::add_revocation_sink) have taken it.
    /// Services that verify tokens themselves refuse them once they know it, see
    /// [`RevocationLog`](countersign_core::revocation::RevocationLog). It cannot be undone.
    ///
    /// Tokens of this issuer live for an hour at most, so a revocation by subject or client ends an hour after its time, if its
    /// own end is later.
    ///
    /// ```
    /// use countersign_core::clock::UnixTime;
    /// use countersign_core::revocation::RevocationNotice;
    /// use countersign_issuer::Issuer;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let issuer = Issuer::builder("http://127.0.0.1:4000").build()?;
    /// let now = issuer.clock().now();
    /// issuer.revoke(RevocationNotice::subject(issuer.name(), "ann", now, UnixTime::MAX)?).await?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `RevocationError` if the revocation is of another issuer or of the future, the store has no room or failed, or a sink did
    /// not take it.
    pub async fn revoke(&self, notice: RevocationNotice) -> Result<(), RevocationError> {
        let notice = self.own(notice)?;
        self.revocations().revoke("", &notice).await?;
        audit::tokens_revoked(notice.tokens().kind());
        Ok(())
    }

    /// Revokes a token of this issuer by its `jti` until it expires, as [`revoke`](Self::revoke) does.
    ///
    /// `Ok` means that the revocation is stored. Blocks if the store does, and cannot wait for sinks: one that has to be awaited is
    /// an error.
    ///
    /// # Errors
    /// `RevocationError` if the store has no room or failed, or a sink did not take it.
    pub fn revoke_token(&self, token_id: &str, expires_at: UnixTime) -> Result<(), RevocationError> {
        let notice = RevocationNotice::token(self.name(), token_id, expires_at);
        self.revocations().revoke_blocking(&notice.map_err(RevocationError::Invalid)?)
    }

    /// As [`revoke_token`](Self::revoke_token), and revokes its place in the status lists too, so that services that check those
    /// refuse it within seconds.
    ///
    /// `status_index` is that of the [minted token](crate::MintedToken::status_index); store it beside the `jti`.
    ///
    /// ```
    /// use countersign_core::mint::Draft;
    /// use countersign_issuer::{Audience, Issuer, StatusListSettings};
    ///
    /// let issuer = Issuer::builder("http://127.0.0.1:4000")
    ///     .add_audience(Audience::new("orders"))
    ///     .status_lists(StatusListSettings::default())
    ///     .build()?;
    /// let token = issuer.mint(&Draft::access_token().subject("ann").audience("orders").client_id("web-shop"))?;
    /// issuer.revoke_token_at(token.token_id(), token.expires_at(), token.status_index())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`revoke_token`](Self::revoke_token). A part of it may be stored then; call it again.
    pub fn revoke_token_at(
        &self,
        token_id: &str,
        expires_at: UnixTime,
        status_index: Option<u64>,
    ) -> Result<(), RevocationError> {
        if let Some((statuses, index)) = self.statuses().zip(status_index) {
            statuses.revoke_blocking(StatusIndex(index))?;
        }
        self.revoke_token(token_id, expires_at)
    }

    /// As [`revoke`](Self::revoke), and revokes this index of the status lists too: that of the
    /// [minted token](crate::MintedToken::status_index), or of [`status_index`](Self::status_index).
    ///
    /// # Errors
    /// As [`revoke`](Self::revoke), and `RevocationError::NoStatusLists` if the issuer has none. The index may be revoked then; call
    /// it again.
    pub async fn revoke_at(&self, notice: RevocationNotice, status_index: u64) -> Result<(), RevocationError> {
        let notice = self.own(notice)?;
        let statuses = self.statuses().ok_or(RevocationError::NoStatusLists)?;
        statuses.revoke("", StatusIndex(status_index)).await?;
        self.revoke(notice).await
    }

    /// The index, counted through all lists, of a token that has this `status.status_list`: `uri` and `idx`. `None` if it is in no
    /// list of this issuer.
    ///
    /// ```
    /// use countersign_issuer::{Issuer, StatusListSettings};
    ///
    /// let issuer =
    ///     Issuer::builder("http://127.0.0.1:4000").status_lists(StatusListSettings::default()).build()?;
    /// assert_eq!(issuer.status_index("http://127.0.0.1:4000/status-lists/1", 7), Some((1 << 20) + 7));
    /// assert_eq!(issuer.status_index("https://id.example.com/status-lists/1", 7), None);
    /// # Ok::<(), countersign_core::error::ConfigError>(())
    /// ```
    #[must_use]
    pub fn status_index(&self, uri: &str, idx: u64) -> Option<u64> {
        self.statuses()?.index(uri, idx).map(|index| index.0)
    }

    /// Revokes a token of its own on behalf of a client, with its place in the status lists.
    pub(crate) async fn revoke_for(&self, client: &Client, token: &Verified) -> Result<(), RevocationError> {
        let place = self.statuses().zip(token.status_reference());
        if let Some((statuses, index)) =
            place.and_then(|(statuses, place)| Some((statuses, statuses.index(place.uri(), place.index())?)))
        {
            statuses.revoke(client.id(), index).await?;
        }
        let token_id = token.token_id().unwrap_or_default(); // the profile requires one
        let notice = RevocationNotice::token(self.name(), token_id, token.expires_at());
        self.revocations().revoke(client.id(), &notice.map_err(RevocationError::Invalid)?).await
    }

    /// The revocation with the end of the last token that it can mean.
    fn own(&self, notice: RevocationNotice) -> Result<RevocationNotice, RevocationError> {
        if notice.issuer() != self.name() {
            return Err(RevocationError::OtherIssuer);
        }
        let Some(before) = notice.issued_before() else { return Ok(notice) };
        if before > self.clock().now().saturating_add(MAX_AHEAD) {
            return Err(RevocationError::InFuture);
        }
        let end = notice.expires_at().min(before.saturating_add(MAX_TOKEN_LIFETIME));
        RevocationNotice::new(self.name(), notice.tokens().clone(), end).map_err(RevocationError::Invalid)
    }
}

/// The revocations in its store.
impl RevocationLog for Issuer {
    fn read(&self, after: u64) -> LogFuture {
        let issuer = self.clone();
        Box::pin(async move { page_of(issuer.revocations(), issuer.name(), after).await })
    }

    fn changed(&self) -> ChangeFuture {
        self.revocations().changed()
    }
}
