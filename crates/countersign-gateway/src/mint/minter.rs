//! Mints tokens, and keeps them for the next requests of their callers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::clock::UnixTime;
use countersign_core::error::ConfigError;
use countersign_core::integration::{DigestCache, DigestKey};
use countersign_core::key::Algorithm;
use countersign_core::mint::{Draft, ProofDraft, Signer};
use countersign_core::secret::Secret;
use countersign_core::verify::Verified;
use countersign_issuer::MintError;
use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::json;

use super::internal_token::InternalToken;
use crate::attach::SwapRefusal;
use crate::counts::SwapOutcome;
use crate::problem;
use crate::request::DPOP;

/// The longest lifetime of a minted token.
const MAX_LIFETIME: Duration = Duration::from_secs(120);

/// A token is not sent in its last seconds, so that it does not expire in transit; at most half of a short lifetime is unused.
const HARD_STOP: Duration = Duration::from_secs(10);

/// The mean memory of a token, which sizes the table, in bytes.
const MEAN_TOKEN: usize = 1024;

/// Mints the tokens of one swap.
///
/// A token is a function of the caller's name, authorities and expiry, so these identify it in the cache, and not the credential: a
/// policy that changed while the gateway runs changes the tokens of the next requests.
pub(crate) struct Minter {
    token: InternalToken,
    /// The key of the gateway that tokens are bound to, with its thumbprint.
    key: Option<(Signer, String)>,
    digests: DigestKey,
    minted: DigestCache<Minted>,
}

struct Minted {
    /// The value of the header, marked sensitive.
    authorization: HeaderValue,
    token: Secret<String>,
    key_id: String,
    issued_at: UnixTime,
    expires_at: UnixTime,
}

impl Minter {
    pub(crate) fn new(token: InternalToken) -> Result<Self, ConfigError> {
        token.check()?;
        let key = token.bound_for.is_some().then(key).transpose();
        let key = key.map_err(|error| ConfigError::new("origin", format!("no key could be made: {error}")))?;
        let minted = DigestCache::new(token.cache_bytes, MEAN_TOKEN);
        Ok(Minter { token, key, digests: DigestKey::random(), minted })
    }

    pub(crate) fn audience(&self) -> &str {
        &self.token.audience
    }

    /// The headers of the token for this caller, for a request with this method and path.
    pub(crate) async fn headers(
        &self,
        caller: &Verified,
        method: &Method,
        path: &str,
    ) -> Result<(HeaderMap, SwapOutcome), SwapRefusal> {
        if caller.binding().is_some() && self.key.is_none() {
            return Err(SwapRefusal::Problem(problem::BOUND_CREDENTIAL, "the swap does not bind its tokens".into()));
        }
        let not_exchangeable = |reason: &'static str| SwapRefusal::Problem(problem::NOT_EXCHANGEABLE, reason.into());
        let mut draft = self.token.draft(caller).map_err(not_exchangeable)?;
        if let Some((_, thumbprint)) = &self.key {
            draft = draft.claim("cnf", json!({ "jkt": thumbprint }));
        }
        let (minted, outcome) = self.minted(draft, caller.expires_at()).await?;
        let mut headers = HeaderMap::with_capacity(2);
        headers.insert(header::AUTHORIZATION, minted.authorization.clone());
        if let (Some((signer, _)), Some(origin)) = (&self.key, &self.token.bound_for) {
            let address = format!("{}{path}", origin.trim_end_matches('/'));
            let proof = ProofDraft::new(method.as_str(), &address, self.token.issuer.clock().now());
            let proof = proof.access_token(minted.token.expose()).sign(signer).ok();
            let proof = proof.and_then(|proof| HeaderValue::try_from(proof).ok());
            let mut proof = proof.ok_or_else(|| SwapRefusal::unsuitable("no proof was signed"))?;
            proof.set_sensitive(true);
            headers.insert(DPOP, proof);
        }
        Ok((headers, outcome))
    }

    /// The number of tokens in memory.
    #[cfg(any(feature = "metrics", feature = "otel"))]
    pub(crate) fn tokens(&self) -> usize {
        self.minted.len()
    }

    /// The token of this draft, which ends no later than the credential.
    async fn minted(&self, draft: Draft, until: UnixTime) -> Result<(Arc<Minted>, SwapOutcome), SwapRefusal> {
        let issuer = &self.token.issuer;
        let claims = serde_json::to_vec(draft.claims());
        let claims = claims.map_err(|_| SwapRefusal::unsuitable("its claims are not JSON"))?;
        let digest = self.digests.digest_parts(&[&until.as_secs().to_be_bytes(), &claims]);
        let (now, elapsed) = (issuer.clock().now(), issuer.clock().elapsed());
        if let Some((minted, _)) = self.minted.get(digest, elapsed)
            && minted.issued_at <= now // a clock that was set makes its times wrong
            && now < minted.expires_at
            && issuer.has_key(&minted.key_id)
        {
            return Ok((minted, SwapOutcome::Cached));
        }
        let end = now.saturating_add(MAX_LIFETIME).min(until);
        let signed = issuer.mint_async(&draft.expires_at(UnixTime::from_secs(end.as_secs()))).await?;
        let token = Secret::from(signed.as_str());
        let scheme = if self.key.is_some() { "DPoP" } else { "Bearer" };
        let value = Secret::new(format!("{scheme} {}", token.expose())); // wiped when dropped
        let mut authorization = HeaderValue::from_str(value.expose())
            .map_err(|_| SwapRefusal::unsuitable("it does not fit into a header"))?;
        authorization.set_sensitive(true);
        let (issued_at, expires_at, key_id) = (now, signed.expires_at(), signed.key_id().to_owned());
        let bytes = authorization.len() + token.expose().len() + key_id.len() + size_of::<Minted>();
        let minted = Arc::new(Minted { authorization, token, key_id, issued_at, expires_at });
        let lifetime = signed.lifetime();
        let ends_at = elapsed.saturating_add(lifetime.saturating_sub(HARD_STOP.min(lifetime / 2)));
        self.minted.insert(digest, Arc::clone(&minted), bytes, ends_at);
        Ok((minted, SwapOutcome::New))
    }
}

/// A key for this process, with its thumbprint.
fn key() -> Result<(Signer, String), Box<dyn std::error::Error>> {
    let signer = Signer::generate(Algorithm::ES256)?;
    let thumbprint = signer.verifying_key()?.thumbprint().to_string();
    Ok((signer, thumbprint))
}

impl From<MintError> for SwapRefusal {
    fn from(error: MintError) -> Self {
        let problem = match error {
            MintError::SubjectIsClient => problem::NOT_EXCHANGEABLE,
            MintError::Expired => problem::EXPIRED_CREDENTIAL,
            MintError::KeysWithdrawn | MintError::Signing => problem::ISSUER_UNAVAILABLE,
            _ => problem::UNSUITABLE_TOKEN,
        };
        SwapRefusal::Problem(problem, error.to_string().into())
    }
}

impl fmt::Debug for Minter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Minter").field("token", &self.token).finish_non_exhaustive()
    }
}
