//! `huskarl-resource-server`, a peer that verifies bound tokens and their proofs.

use std::sync::Arc;
use std::time::Duration;

use huskarl_resource_server::DefaultJwsVerifierPlatform;
use huskarl_resource_server::core::crypto::verifier::{JwsVerifier, JwsVerifierFactory, JwsVerifierPlatform, KeyMatch};
use huskarl_resource_server::core::platform::MaybeSendBoxFuture;
use huskarl_resource_server::core::{EndpointUrl, Error};
use huskarl_resource_server::validator::rfc9068::Rfc9068Validator;
use serde_json::Value;

/// The name in reports.
pub const NAME: &str = "huskarl-resource-server 0.11";

/// A validator of the peer, which has the key of the issuer and fetches none.
pub struct Huskarl(Rfc9068Validator);

/// The check of a signature by the library that the peer uses, with nothing around it.
pub struct HuskarlRaw {
    key: Arc<dyn JwsVerifier>,
    message: Vec<u8>,
    signature: Vec<u8>,
}

/// Gives the verifier of one key, instead of fetching a key set.
struct OneKey(Arc<dyn JwsVerifier>);

impl JwsVerifierFactory for OneKey {
    fn build(
        &self,
        _: Option<&EndpointUrl>,
        _: Arc<dyn JwsVerifierPlatform>,
    ) -> MaybeSendBoxFuture<'static, Result<Arc<dyn JwsVerifier>, Error>> {
        let key = Arc::clone(&self.0);
        Box::pin(async move { Ok(key) })
    }
}

impl Huskarl {
    /// Takes bound tokens of `issuer` for `audience`, and none that are not bound. `jwk` is the public key of the issuer.
    pub async fn new(issuer: &str, audience: &str, jwk: &Value) -> Self {
        let validator = Rfc9068Validator::builder()
            .issuer(issuer)
            .audience(audience)
            .require_dpop(true)
            .max_dpop_proof_age(Duration::from_secs(300))
            .jws_verifier_factory(OneKey(verifier(jwk).await))
            .build();
        Huskarl(validator.await.expect("a validator"))
    }

    /// The thumbprint of the key to which an accepted request is bound.
    ///
    /// # Errors
    /// Why it is refused, with all causes.
    pub async fn validate(
        &self,
        headers: &http::HeaderMap,
        method: &http::Method,
        url: &http::Uri,
    ) -> Result<String, String> {
        match self.0.validate_request(headers, method, url, None).await.outcome {
            Ok(Some(request)) => request.cnf.and_then(|cnf| cnf.jkt).ok_or_else(|| "not bound".to_owned()),
            Ok(None) => Err("no token".to_owned()),
            Err(error) => Err(causes(&error)),
        }
    }
}

impl HuskarlRaw {
    /// The check that `token` costs this library at the least, with the public key `jwk`.
    pub async fn of(jwk: &Value, token: &str) -> Self {
        let (message, signature) = token.rsplit_once('.').expect("three segments");
        let signature = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(signature).expect("base64url");
        HuskarlRaw { key: verifier(jwk).await, message: message.into(), signature }
    }

    /// Whether the signature matches.
    pub async fn check(&self) -> bool {
        let key = KeyMatch::builder().alg("ES256").build();
        self.key.verify(&self.message, &self.signature, &key).await.is_ok()
    }
}

async fn verifier(jwk: &Value) -> Arc<dyn JwsVerifier> {
    let platform: Arc<dyn JwsVerifierPlatform> = DefaultJwsVerifierPlatform::default().into();
    let jwk = serde_json::from_value(jwk.clone()).expect("a public key");
    platform.create_verifier_from_jwk(jwk).await.expect("a key of an algorithm that it knows")
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
