//! A proof that came with the token (DPoP, RFC 9449).

use clap::Args;
use countersign::clock::UnixTime;
use countersign::proof::ExternalUrl;
use countersign::verify::Report;
use countersign_core::integration::{ExplainedRequest, Possession, explain_presented, explain_proof};
use countersign_core::proof::{ProofRequest, ProofRules};
use reqwest::Url;

use crate::exit::Failure;
use crate::verification::Session;
use crate::{input, output};

/// The proof, and the request that it has to be for.
#[derive(Args)]
pub(super) struct ProofOptions {
    /// Explain this proof as well (the value of the header DPoP), or that in @FILE; needs --url
    #[arg(long, value_name = "PROOF|@FILE", requires = "url", conflicts_with = "batch")]
    proof: Option<String>,
    /// The address of the request with the proof, as clients write it
    #[arg(long, value_name = "URL", requires = "proof")]
    url: Option<String>,
    /// The method of the request with the proof
    #[arg(long, value_name = "METHOD", default_value = "GET")]
    method: String,
    /// The nonce that the service demands in the proof
    #[arg(long, value_name = "NONCE", requires = "proof", allow_hyphen_values = true)]
    nonce: Option<String>,
}

impl ProofOptions {
    /// The reports on the token and on its proof; `None` if no proof is given.
    pub(super) fn reports(&self, session: &mut Session, token: &str) -> Result<Option<(Report, Report)>, Failure> {
        let (Some(proof), Some(address)) = (&self.proof, &self.url) else { return Ok(None) };
        let proof = match proof.strip_prefix('@') {
            Some(path) => input::file(path)?,
            None => proof.clone(),
        };
        let fault = || Failure::usage(format!("--url {}: not an http or https address", output::quoted(address)));
        let url = Url::parse(address).map_err(|_| fault())?;
        let origin = url.origin().ascii_serialization();
        let urls = [ExternalUrl::new(&origin).map_err(|_| fault())?];
        let now = UnixTime::from_secs(u64::try_from(session.now()).unwrap_or_default());
        let request = ProofRequest { method: &self.method, external_urls: &urls, path: url.path() };
        let request = ExplainedRequest { request, token: Some(token), nonce: self.nonce.as_deref(), now };
        let (explained, thumbprint) = explain_proof(proof.trim(), &ProofRules::default(), &request);
        // The key is taken as proven here: the report on the proof says whether it is.
        let proven = thumbprint.map(|thumbprint| Possession::default().with_key(thumbprint));
        let verifier = session.verifier_for(token);
        let report = session.wait(explain_presented(&verifier, token, proven.as_ref()));
        Ok(Some((report, explained)))
    }
}
