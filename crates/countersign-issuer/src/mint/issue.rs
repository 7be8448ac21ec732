//! Tokens for authenticated clients, and for subjects that the application has authenticated.

use std::time::Duration;

use countersign_core::clock::UnixTime;
use countersign_core::mint::Draft;
use countersign_core::secret::Secret;
use serde_json::json;

use super::{MintError, MintedToken};
use crate::client::Client;
use crate::grant::{Granted, GrantedToken};
use crate::jti::token_id;
use crate::policy::CLIENT_SUBJECT_CLAIM;
use crate::proof::Possession;
use crate::service::Issuer;
use crate::status::{StatusIndex, Statuses};

/// The `typ` of transaction tokens.
const TRANSACTION_TOKEN_TYPE: &str = "txntoken+jwt";

/// A draft that may be signed.
struct Checked {
    draft: Draft,
    lifetime: Duration,
    not_after: Option<UnixTime>,
}

impl Issuer {
    /// Signs an access token for a subject that the application has authenticated.
    ///
    /// The draft names the subject (`sub`), the service (`aud`, an audience of the issuer) and the client (`client_id`).
    /// The issuer sets `iss`, `iat`, `jti` and the type. The lifetime is the audience's, or ends at the `exp` of the draft
    /// if that is earlier. **The issuer does not check that the subject is authenticated or may have these claims**: the
    /// application must. A subject with the name of a client is refused, because services would take its token for the
    /// client's own; a client requests its own tokens at the token endpoint. So is one with the prefix of an
    /// [`IdentityProvider`](crate::IdentityProvider).
    ///
    /// At most every 5 s it has the store read for changes of other instances before it signs, and waits for that: on a thread
    /// of a tokio runtime at most a second. If the store does not answer, it signs with the keys of the last read. With
    /// [status lists](crate::IssuerBuilder::status_lists), each 1,024th token waits for a write to the store.
    ///
    /// ```
    /// use countersign_core::mint::Draft;
    /// use countersign_issuer::{Audience, Issuer};
    ///
    /// let issuer = Issuer::builder("http://127.0.0.1:4000").add_audience(Audience::new("orders")).build()?;
    /// let draft = Draft::access_token().subject("ann").audience("orders").client_id("web-shop").scope("orders:read");
    /// let token = issuer.mint(&draft)?;
    /// assert_eq!(token.as_str().matches('.').count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `MintError` if `sub`, `aud` or `client_id` is missing, `sub` is the name of a client or of a user of an identity provider, the audience is unknown, `exp` is
    /// in the past or not a whole number, the token would be larger than 7 KiB, or the signing keys were removed from the store.
    pub fn mint(&self, draft: &Draft) -> Result<MintedToken, MintError> {
        let checked = self.checked(draft)?;
        self.maintain_keys_blocking();
        let status = self.statuses().map(Statuses::take_blocking).transpose().map_err(MintError::Statuses)?;
        self.sign(checked.draft, checked.lifetime, checked.not_after, status)
    }

    /// As [`mint`](Self::mint), for async code: it waits for the store without a thread.
    ///
    /// ```
    /// use countersign_core::mint::Draft;
    /// use countersign_issuer::{Audience, Issuer};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let issuer = Issuer::builder("http://127.0.0.1:4000").add_audience(Audience::new("orders")).build()?;
    /// let draft = Draft::access_token().subject("ann").audience("orders").client_id("web-shop");
    /// assert_eq!(issuer.mint_async(&draft).await?.lifetime().as_secs(), 300);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`mint`](Self::mint).
    pub async fn mint_async(&self, draft: &Draft) -> Result<MintedToken, MintError> {
        let checked = self.checked(draft)?;
        self.maintain_keys().await;
        let status = self.take_status().await?;
        self.sign(checked.draft, checked.lifetime, checked.not_after, status)
    }

    /// The draft of an access token for a subject that is no client, with the longest lifetime of its audience.
    fn checked(&self, draft: &Draft) -> Result<Checked, MintError> {
        let claims = draft.claims();
        let text = |name: &'static str| match claims.get(name).and_then(|value| value.as_str()) {
            Some(text) if !text.is_empty() => Ok(text),
            _ => Err(MintError::MissingClaim(name)),
        };
        let (subject, client_id) = (text("sub")?, text("client_id")?);
        if subject == client_id || self.is_client(subject) || claims.contains_key(CLIENT_SUBJECT_CLAIM) {
            return Err(MintError::SubjectIsClient);
        }
        if self.identity_providers().has_name(subject) {
            return Err(MintError::SubjectOfProvider);
        }
        let audience = self.audience(text("aud")?).ok_or(MintError::UnknownAudience)?;
        let not_after = match claims.get("exp") {
            None => None,
            Some(end) => Some(UnixTime::from_secs(end.as_u64().ok_or(MintError::InvalidExpiry)?)),
        };
        let draft = claims.iter().fold(Draft::access_token(), |draft, (name, value)| draft.claim(name, value.clone()));
        Ok(Checked { draft, lifetime: audience.lifetime.unwrap_or(self.token_lifetime()), not_after })
    }

    /// An index in the status lists, if there are any.
    async fn take_status(&self) -> Result<Option<StatusIndex>, MintError> {
        match self.statuses() {
            Some(statuses) => statuses.take().await.map(Some).map_err(MintError::Statuses),
            None => Ok(None),
        }
    }

    /// Signs the token that a grant allows, bound to the key and the certificate of `binding`.
    pub(crate) async fn issue(
        &self,
        client: &Client,
        granted: &Granted,
        binding: Possession,
    ) -> Result<MintedToken, MintError> {
        let (draft, lifetime) = match granted.token {
            GrantedToken::Access { .. } => {
                let lifetime = self.audience(&granted.audience).map(|it| it.lifetime.unwrap_or(self.token_lifetime()));
                (Draft::access_token().client_id(client.id()), lifetime)
            }
            GrantedToken::Transaction => {
                let lifetime = self.trust_domains().get(&granted.audience).map(|domain| domain.lifetime);
                (Draft::with_type(TRANSACTION_TOKEN_TYPE), lifetime)
            }
        };
        let claims = granted.claims.iter();
        let mut draft = claims.fold(draft, |draft, (name, value)| draft.claim(name, value.clone()));
        draft = draft.subject(&granted.subject).audience(&granted.audience);
        if !granted.scope.is_empty() {
            draft = draft.scope(granted.scope.to_text());
        }
        if let Some(confirmation) = binding.confirmation() {
            draft = draft.claim("cnf", confirmation);
        }
        let status = match granted.token {
            GrantedToken::Access { .. } => self.take_status().await?,
            GrantedToken::Transaction => None, // it lives for seconds
        };
        self.sign(draft, lifetime.ok_or(MintError::UnknownAudience)?, granted.not_after, status)
    }

    fn sign(
        &self,
        mut draft: Draft,
        lifetime: Duration,
        not_after: Option<UnixTime>,
        status: Option<StatusIndex>,
    ) -> Result<MintedToken, MintError> {
        let now = self.clock().now();
        let issued_at = UnixTime::from_secs(now.as_secs()); // whole seconds, rounded down
        let latest = issued_at.saturating_add(lifetime);
        let expires_at = UnixTime::from_secs(not_after.map_or(latest, |end| end.min(latest)).as_secs());
        if expires_at <= issued_at {
            return Err(MintError::Expired);
        }
        let token_id = token_id(now).ok_or(MintError::Signing)?;
        if self.is_withdrawn() {
            return Err(MintError::KeysWithdrawn);
        }
        if let Some((index, statuses)) = status.zip(self.statuses()) {
            let place = json!({ "idx": index.within(), "uri": statuses.uri(index.list()) });
            draft = draft.claim("status", json!({ "status_list": place }));
        }
        let signer = &self.published().signer;
        let draft = draft.issuer(self.name()).issued_at(issued_at).expires_at(expires_at).token_id(&token_id);
        let token = draft.sign(signer).map_err(|error| match error {
            countersign_core::mint::SignError::TooLarge(_) => MintError::TooLarge,
            _ => MintError::Signing,
        })?;
        let key_id = signer.key_id().to_owned();
        Ok(MintedToken {
            token: Secret::new(token),
            token_id,
            key_id,
            issued_at,
            expires_at,
            status_index: status.map(|StatusIndex(index)| index),
        })
    }
}
