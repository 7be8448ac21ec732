//! The options of commands that verify tokens.

use clap::Args;
use countersign::clock::{Clock, SystemClock, UnixTime};
use countersign::key::Algorithm;

use crate::exit::Failure;
use crate::fetch::ConnectionOptions;
use crate::output;

/// The trusted issuer, the audience and the keys.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct VerifyOptions {
    /// The required issuer (iss), compared exactly
    #[arg(long, value_name = "ISS")]
    pub(crate) issuer: Option<String>,
    /// The required audience (aud); may be repeated
    #[arg(long, value_name = "AUD")]
    pub(crate) audience: Vec<String>,
    /// The issuer's keys: a JWK Set or JWK in a file, or at a URL
    #[arg(long, value_name = "FILE|URL", group = "keys")]
    pub(crate) jwks: Option<String>,
    /// Find the keys by the issuer's discovery document; the default if no keys are named
    #[arg(long, group = "keys")]
    pub(crate) discover: bool,
    /// The issuer's public key (BEGIN PUBLIC KEY); the token's kid is then ignored
    #[arg(long, value_name = "FILE", group = "keys")]
    pub(crate) pem: Option<String>,
    /// Allow this algorithm; may be repeated
    #[arg(long, value_name = "ALG")]
    pub(crate) alg: Vec<String>,
    /// The required token type, such as at+jwt; any for every type
    #[arg(long, value_name = "TYP|any")]
    pub(crate) typ: Option<String>,
    /// Allowed clock difference; default 30, at most 300
    #[arg(long, value_name = "SECONDS")]
    pub(crate) leeway: Option<u64>,
    /// Verify as of this time instead of now
    #[arg(long, value_name = "UNIX_SECONDS")]
    pub(crate) now: Option<u64>,
    /// Read all other settings from this policy file, TOML or JSON, in the format that services read
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<String>,
    /// The table of the policy within that file, such as auth or services.auth
    #[arg(long, value_name = "TABLE", requires = "policy")]
    pub(crate) at: Option<String>,
    #[command(flatten)]
    pub(crate) connection: ConnectionOptions,
}

/// The system clock, or a clock with a fixed wall time and running elapsed time.
#[derive(Debug)]
pub(crate) struct VerifyClock(pub(crate) Option<UnixTime>);

impl Clock for VerifyClock {
    fn now(&self) -> UnixTime {
        self.0.unwrap_or_else(|| SystemClock.now())
    }

    fn elapsed(&self) -> std::time::Duration {
        SystemClock.elapsed()
    }
}

/// Parses algorithm names; an empty list means every asymmetric algorithm.
pub(crate) fn algorithms(names: &[String]) -> Result<Vec<Algorithm>, Failure> {
    if names.is_empty() {
        return Ok(Algorithm::ALL.iter().copied().filter(|algorithm| !algorithm.is_symmetric()).collect());
    }
    let split = names.iter().flat_map(|names| names.split(',')).map(str::trim);
    split
        .map(|name| {
            Algorithm::from_name(name).ok_or_else(|| {
                let known: Vec<&str> = Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect();
                Failure::usage(format!("--alg {}: not one of {}", output::safe(name), known.join(", ")))
            })
        })
        .collect()
}
