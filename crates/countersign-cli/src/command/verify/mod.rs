//! `countersign verify`: the question as asked, made into a verifier.

mod batch;
mod judge;
mod mend;
mod question;
pub(crate) mod report;

use clap::Args;
use countersign::clock::{Clock, SystemClock, UnixTime};
use countersign::key::Algorithm;

use crate::exit::{Failure, Outcome};
use crate::{EXIT_CODES, input, output};

pub(crate) use judge::Judge;
pub(crate) use mend::mend;
pub(crate) use question::{KeyPlace, Question, read_policy};

/// Judge a token as a service would: issuer, audience, times, type, algorithm and signature.
///
/// Issuer and audience are required, as options or in the policy file. Without --typ, tokens whose typ is absent, JWT or
/// at+jwt pass; at+jwt asks for the RFC 9068 profile with its required claims; any takes every type. Without --alg every
/// asymmetric algorithm passes that the keys allow; HMAC needs --alg HS256 (384, 512) and an oct key from a file.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// The token, or - for standard input, or @FILE. Default: $COUNTERSIGN_TOKEN, then standard input
    token: Option<String>,
    #[command(flatten)]
    asked: Asked,
    /// Print one JSON object: verdict, header, claims, code, message, checks
    #[arg(long)]
    json: bool,
    /// Read one token a line, print one JSON object a line, in order; exit 0 when all lines were answered
    #[arg(long)]
    batch: bool,
}

/// Whom to trust, for what, by which keys.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Asked {
    /// What iss must be, letter by letter
    #[arg(long, value_name = "ISS")]
    pub(crate) issuer: Option<String>,
    /// What aud must name; several may be given
    #[arg(long, value_name = "AUD")]
    pub(crate) audience: Vec<String>,
    /// The issuer's keys: a JWK Set or JWK in a file, or at a URL
    #[arg(long, value_name = "FILE|URL", group = "keys")]
    pub(crate) jwks: Option<String>,
    /// Find the keys by the issuer's discovery document; the default where no keys are named
    #[arg(long, group = "keys")]
    pub(crate) discover: bool,
    /// The issuer's public key (BEGIN PUBLIC KEY); the token's kid is not compared then
    #[arg(long, value_name = "FILE", group = "keys")]
    pub(crate) pem: Option<String>,
    /// Allow this algorithm; several may be given
    #[arg(long, value_name = "ALG")]
    pub(crate) alg: Vec<String>,
    /// The type that the token must have, such as at+jwt; any for every type
    #[arg(long, value_name = "TYP|any")]
    pub(crate) typ: Option<String>,
    /// How far clocks may differ. Default 30, at most 300
    #[arg(long, value_name = "SECONDS")]
    pub(crate) leeway: Option<u64>,
    /// Judge at this time instead of now
    #[arg(long, value_name = "UNIX_SECONDS")]
    pub(crate) now: Option<u64>,
    /// Take what is not said here from this policy file, TOML or JSON, in the form that services read
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<String>,
}

impl Arguments {
    pub(crate) fn run(self) -> Outcome {
        let question = Question::of(&self.asked)?;
        let mut judge = Judge::new(question)?;
        if self.batch {
            return batch::run(&mut judge, input::lines(self.token.as_deref())?);
        }
        let token = input::token(self.token.as_deref())?;
        if token.is_empty() {
            return Err(Failure::question("there is no token; give it on standard input"));
        }
        let report = judge.report(&token);
        if self.json {
            output::line(&report::json(&report)?)?;
        } else {
            report::print(&report, &judge.origin(&report), judge.now())?;
        }
        Ok(report::exit(&report))
    }
}

/// The machine's clock, or one whose wall time stands still while ages go on.
#[derive(Debug)]
pub(crate) struct AskedClock(pub(crate) Option<UnixTime>);

impl Clock for AskedClock {
    fn now(&self) -> UnixTime {
        self.0.unwrap_or_else(|| SystemClock.now())
    }

    fn elapsed(&self) -> std::time::Duration {
        SystemClock.elapsed()
    }
}

/// Reads the names of algorithms; none named means every asymmetric one.
pub(crate) fn algorithms(names: &[String]) -> Result<Vec<Algorithm>, Failure> {
    if names.is_empty() {
        return Ok(Algorithm::ALL.iter().copied().filter(|algorithm| !algorithm.is_symmetric()).collect());
    }
    let split = names.iter().flat_map(|names| names.split(',')).map(str::trim);
    split
        .map(|name| {
            Algorithm::from_name(name).ok_or_else(|| {
                let known: Vec<&str> = Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect();
                Failure::question(format!("--alg {}: not one of {}", output::safe(name), known.join(", ")))
            })
        })
        .collect()
}
