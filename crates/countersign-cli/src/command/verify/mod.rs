//! `countersign verify`: builds a verifier from options or a policy file, and verifies tokens.

mod batch;
pub(crate) mod report;
mod session;
mod settings;

use clap::Args;
use countersign::clock::{Clock, SystemClock, UnixTime};
use countersign::key::Algorithm;

use crate::exit::{Failure, Outcome};
use crate::{EXIT_CODES, input, output};

pub(crate) use report::remedy;
pub(crate) use session::Session;
pub(crate) use settings::{KeyLocation, Settings, read_policy};

/// Verify a token as a service does: issuer, audience, times, type, algorithm and signature.
///
/// Issuer and audience are required, as options or in the policy file. Without --typ, tokens whose typ is absent, JWT or
/// at+jwt pass; at+jwt selects the RFC 9068 profile with its required claims; any accepts every type. Without --alg every
/// asymmetric algorithm that the keys allow passes; HMAC requires --alg HS256 (384, 512) and an oct key from a file.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// The token, or - for standard input, or @FILE. Default: $COUNTERSIGN_TOKEN, then standard input
    token: Option<String>,
    #[command(flatten)]
    options: VerifyOptions,
    /// Print one JSON object: verdict, header, claims, code, message, checks
    #[arg(long)]
    json: bool,
    /// Read one token per line, print one JSON object per line, in order; exit code 0 when all lines are done
    #[arg(long)]
    batch: bool,
}

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
}

impl Arguments {
    pub(crate) fn run(self) -> Outcome {
        let settings = Settings::from_options(&self.options)?;
        let mut session = Session::new(settings)?;
        if self.batch {
            return batch::run(&mut session, input::lines(self.token.as_deref())?);
        }
        let token = input::token(self.token.as_deref())?;
        if token.is_empty() {
            return Err(Failure::usage("no token given; pass it on standard input"));
        }
        let report = session.report(&token);
        if self.json {
            output::line(&report::json(&report)?)?;
        } else {
            report::print(&report, &session.origin(&report), session.now())?;
        }
        Ok(report::exit(&report))
    }
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
