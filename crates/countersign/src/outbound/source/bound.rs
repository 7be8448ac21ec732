//! Token requests whose tokens are bound to a key (RFC 9449 §5 and §8).

use std::sync::Arc;

use countersign_core::clock::UnixTime;
use countersign_core::mint::{ProofDraft, Signer};
use http::{HeaderValue, Method};
use reqwest::Url;

use super::dpop_key::DpopKey;
use super::response::is_nonce_demanded;
use crate::fetch::FetchedResponse;
use crate::outbound::error::OutboundError;
use crate::outbound::nonce::NewestNonce;
use crate::outbound::origin::Origin;
use crate::outbound::proof::signed;

/// The key, and the newest nonce of the token endpoint.
pub(super) struct BoundTokens {
    pub(super) key: DpopKey,
    nonce: NewestNonce,
}

/// The proof of one token request.
pub(super) struct RequestProof {
    pub(super) value: HeaderValue,
    pub(super) signer: Arc<Signer>,
    nonce: Option<Arc<str>>,
}

impl BoundTokens {
    pub(super) fn new(key: DpopKey) -> Self {
        BoundTokens { key, nonce: NewestNonce::default() }
    }

    /// A new proof, by the current key, for a request to the token endpoint.
    pub(super) async fn proof(&self, endpoint: &Url, now: UnixTime) -> Result<RequestProof, OutboundError> {
        let signer = self.key.current().await?;
        let origin = origin_of(endpoint)?;
        let nonce = self.nonce.for_origin(&origin);
        let address = origin.address(endpoint.path());
        let proof = ProofDraft::new(Method::POST.as_str(), &address, now);
        let proof = nonce.iter().fold(proof, |proof, nonce| proof.nonce(nonce));
        Ok(RequestProof { value: signed(&proof, &signer)?, signer, nonce })
    }

    /// Stores the nonce of a response. Returns whether the service demands it, so that the request may be sent again.
    pub(super) fn demands_nonce(&self, endpoint: &Url, answer: &FetchedResponse, sent: &RequestProof) -> bool {
        let Ok(origin) = origin_of(endpoint) else { return false };
        self.nonce.learn(&origin, &answer.headers, sent.nonce.as_deref()).is_some() && is_nonce_demanded(answer)
    }
}

fn origin_of(endpoint: &Url) -> Result<Origin, OutboundError> {
    Origin::of(endpoint).ok_or_else(|| OutboundError::refused("the token endpoint has no host"))
}
