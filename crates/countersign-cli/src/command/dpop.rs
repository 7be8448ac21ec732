//! `countersign dpop`: proofs that the sender of a token has the key that the token is bound to (RFC 9449).

use std::path::Path;

use clap::{Args, Subcommand};
use countersign::clock::{Clock, SystemClock, UnixTime};
use countersign::inspect::inspect;
use countersign::key::Algorithm;
use countersign::mint::{ProofDraft, Signer};
use reqwest::{Method, Url};
use serde_json::json;

use crate::exit::{EXIT_CODES, Exit, Failure, Outcome};
use crate::tools::{jwk, keyring, shell};
use crate::{input, output};

/// Make proofs for tokens that are bound to a key (DPoP, RFC 9449).
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Make the proof for one request, or the curl command that sends it
    Proof(Proof),
}

/// Make the proof for one request, or the curl command that sends it. A service takes each proof once, and for 60 s.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
struct Proof {
    /// The token, or - for standard input, or @FILE. Default: $COUNTERSIGN_TOKEN, then standard input
    #[arg(conflicts_with = "no_token")]
    token: Option<String>,
    /// The request has no token, as one to a token endpoint has none
    #[arg(long)]
    no_token: bool,
    /// The client's private key in PEM (PKCS#8)
    #[arg(long, value_name = "FILE")]
    key: String,
    /// Generate the key first, and write it to the file of --key, which must not exist
    #[arg(long)]
    generate: bool,
    /// The algorithm; defaults to the one that fits the key, and to ES256 for --generate
    #[arg(long, value_name = "ALG")]
    alg: Option<String>,
    /// The method of the request
    #[arg(long, value_name = "METHOD", default_value = "GET")]
    method: String,
    /// The address of the request
    #[arg(long, value_name = "URL")]
    url: String,
    /// The nonce that the server demanded, in its header DPoP-Nonce
    #[arg(long, value_name = "NONCE", allow_hyphen_values = true)]
    nonce: Option<String>,
    /// Make the proof as of this time instead of now
    #[arg(long, value_name = "UNIX_SECONDS")]
    now: Option<u64>,
    /// Print a curl command for the request, which reads token and proof from standard input
    #[arg(long)]
    curl: bool,
    /// Print one JSON object: proof, jkt (the thumbprint of the key), method, url
    #[arg(long, conflicts_with = "curl")]
    json: bool,
}

impl Arguments {
    pub(crate) fn run(self) -> Outcome {
        match self.action {
            Action::Proof(proof) => proof.run(),
        }
    }
}

impl Proof {
    fn run(self) -> Outcome {
        let url = address(&self.url)?;
        let method = Method::from_bytes(self.method.as_bytes())
            .map_err(|_| Failure::usage(format!("--method {}: not an HTTP method", output::quoted(&self.method))))?;
        if self.nonce.as_deref().is_some_and(|nonce| !is_nonce(nonce)) {
            return Err(Failure::usage("--nonce is empty or has characters that no nonce has (RFC 9449 §8.1)"));
        }
        let token = self.token()?;
        let signer = self.signer()?;
        let key = signer.verifying_key().map_err(|reason| Failure::usage(reason.to_string()))?;
        if let Some(token) = &token {
            warn_of_binding(token, key.thumbprint());
        }
        let now = self.now.map_or_else(|| SystemClock.now(), UnixTime::from_secs);
        let mut draft = ProofDraft::new(method.as_str(), url.as_str(), now);
        if let Some(token) = &token {
            draft = draft.access_token(token);
        }
        if let Some(nonce) = &self.nonce {
            draft = draft.nonce(nonce);
        }
        let proof = draft.sign(&signer).map_err(|error| Failure::usage(error.to_string()))?;
        if self.curl {
            output::line(&shell::curl_with_proof(method.as_str(), url.as_str(), token.as_deref(), &proof))?;
        } else if self.json {
            let url = url.as_str().split('?').next();
            output::json(&json!({ "proof": proof, "jkt": key.thumbprint(), "method": method.as_str(), "url": url }))?;
        } else {
            output::line(&proof)?;
        }
        Ok(Exit::Done)
    }

    fn token(&self) -> Result<Option<String>, Failure> {
        if self.no_token {
            return Ok(None);
        }
        let token = input::unwrapped(&input::token(self.token.as_deref())?);
        match token.bytes().all(|byte| byte.is_ascii_graphic()) && !token.is_empty() {
            true => Ok(Some(token)),
            false => Err(Failure::usage("no token, or not one; pass it on standard input, or add --no-token")),
        }
    }

    fn signer(&self) -> Result<Signer, Failure> {
        let named = self.alg.as_deref().map(keyring::algorithm).transpose()?;
        if named.is_some_and(Algorithm::is_symmetric) {
            return Err(Failure::usage("a proof needs a key pair; a shared secret proves nothing (RFC 9449 §4.3)"));
        }
        if !self.generate {
            return keyring::private_key(&input::file(&self.key)?, named);
        }
        let signer = Signer::generate(named.unwrap_or(Algorithm::ES256));
        let signer = signer.map_err(|reason| Failure::usage(reason.to_string()))?;
        let private = jwk::pem("PRIVATE KEY", signer.private_key().expose());
        keyring::write_private(Path::new(&self.key), private.as_bytes())?;
        Ok(signer)
    }
}

/// The address of a request, without a fragment.
fn address(text: &str) -> Result<Url, Failure> {
    let is_usable = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
    };
    let mut url = Url::parse(text).ok().filter(is_usable).ok_or_else(|| {
        Failure::usage("--url is not an http or https address without a user, such as https://api.example.com/orders")
    })?;
    url.set_fragment(None);
    Ok(url)
}

/// Returns whether a text has only the characters of a nonce (`NQCHAR` of RFC 6749, appendix A).
fn is_nonce(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

/// Warns if services will refuse the token with this key. An opaque token does not say what it is bound to.
fn warn_of_binding(token: &str, thumbprint: &str) {
    let inspection = inspect(token);
    let Some(claims) = inspection.payload() else { return };
    match claims.get("cnf").and_then(|cnf| cnf.get("jkt")?.as_str()) {
        Some(bound) if bound == thumbprint => {}
        Some(_) => output::warn("the token is bound to another key (cnf.jkt); services refuse it with this proof"),
        None => output::warn("the token is not bound to a key (no cnf.jkt); services refuse it with a proof"),
    }
}
