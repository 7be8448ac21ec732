//! Proofs that come with bound tokens (DPoP, RFC 9449).

use countersign::clock::UnixTime;
use countersign::key::Thumbprint;
use countersign::proof::ExternalUrl;
use countersign::verify::Report;
use countersign_core::integration::{ExplainedRequest, explain_proof};
use countersign_core::proof::{ProofRequest, ProofRules};
use reqwest::Url;

use crate::exit::Failure;
use crate::output;

/// A proof, and the request that it has to be for.
pub(crate) struct Presented<'p> {
    pub(crate) proof: &'p str,
    pub(crate) token: &'p str,
    pub(crate) method: &'p str,
    pub(crate) url: &'p str,
    /// The nonce that the service demands; `None` if it demands none.
    pub(crate) nonce: Option<&'p str>,
}

impl Presented<'_> {
    /// The report on the proof as of `now`, in seconds since 1970, and the thumbprint of its key.
    pub(crate) fn explain(&self, now: i64) -> Result<(Report, Option<Thumbprint>), Failure> {
        let fault = || Failure::usage(format!("{}: not an http or https address", output::quoted(self.url)));
        let url = Url::parse(self.url).map_err(|_| fault())?;
        let urls = [ExternalUrl::new(&url.origin().ascii_serialization()).map_err(|_| fault())?];
        let request = ProofRequest { method: self.method, external_urls: &urls, path: url.path() };
        let now = UnixTime::from_secs(u64::try_from(now).unwrap_or_default());
        let request = ExplainedRequest { request, token: Some(self.token), nonce: self.nonce, now };
        Ok(explain_proof(self.proof.trim(), &ProofRules::default(), &request))
    }
}
