//! `countersign keygen`: generates a key.

use std::path::PathBuf;

use clap::Args;
use countersign::mint::Signer;
use serde_json::json;

use crate::exit::{EXIT_CODES, Exit, Failure, Outcome};
use crate::tools::{jwk, keyring};
use crate::{encoding, output};

/// Generate a key pair, or a shared secret for HMAC. The private key is printed, or written to a file only you can read.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// The signature algorithm
    #[arg(long, value_name = "ALG", default_value = "ES256")]
    alg: String,
    /// The key ID; defaults to the thumbprint
    #[arg(long, value_name = "KID", allow_hyphen_values = true)]
    kid: Option<String>,
    /// Write the private key (PEM, PKCS#8) to this new file, and print the public JWK
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object: alg, kid, jwk (public), private_pem or, for HMAC, k; no private part with --out
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(crate) fn run(self) -> Outcome {
        let algorithm = keyring::algorithm(&self.alg)?;
        if algorithm.is_symmetric() {
            return self.secret(algorithm.name());
        }
        let mut signer = Signer::generate(algorithm).map_err(|reason| Failure::usage(reason.to_string()))?;
        if let Some(name) = &self.kid {
            signer = signer.with_key_id(name);
        }
        let private = jwk::pem("PRIVATE KEY", signer.private_key().expose());
        let public = signer.public_jwk().unwrap_or_default();
        if let Some(path) = &self.out {
            keyring::write_private(path, private.as_bytes())?;
        }
        let mut answer = json!({ "alg": algorithm.name(), "kid": signer.key_id(), "jwk": public });
        match (self.json, self.out.is_some()) {
            (true, written) => {
                if !written {
                    answer["private_pem"] = json!(private);
                }
                output::json(&answer)?;
            }
            (false, true) => output::json(&public)?,
            (false, false) => output::bytes(private.as_bytes())?,
        }
        Ok(Exit::Done)
    }

    /// 64 random bytes, enough for each HMAC algorithm, as a JWK.
    fn secret(&self, algorithm: &str) -> Outcome {
        let mut bytes = [0; 64];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Failure::usage("the system's random number generator failed"))?;
        let kid = self.kid.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        let k = encoding::encode(&bytes);
        let jwk = json!({ "kty": "oct", "alg": algorithm, "use": "sig", "kid": kid, "k": k });
        if let Some(path) = &self.out {
            keyring::write_private(path, jwk.to_string().as_bytes())?;
            output::json(&json!({ "alg": algorithm, "kid": kid }))?;
        } else {
            output::json(&if self.json { json!({ "alg": algorithm, "kid": kid, "k": k }) } else { jwk })?;
        }
        Ok(Exit::Done)
    }
}
