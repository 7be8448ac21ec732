//! A proof that came with the token (DPoP, RFC 9449).

use clap::Args;
use countersign::verify::Report;
use countersign_core::integration::{Possession, explain_presented};

use crate::exit::Failure;
use crate::input;
use crate::verification::{Presented, Session};

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
        let presented =
            Presented { proof: &proof, token, method: &self.method, url: address, nonce: self.nonce.as_deref() };
        let (explained, thumbprint) = presented.explain(session.now())?;
        // The key is taken as proven here: the report on the proof says whether it is.
        let proven = thumbprint.map(|thumbprint| Possession::default().with_key(thumbprint));
        let verifier = session.verifier_for(token);
        let report = session.wait(explain_presented(&verifier, token, proven.as_ref()));
        let report = session.with_status(report, &verifier, token, &proven.unwrap_or_default());
        Ok(Some((report, explained)))
    }
}
