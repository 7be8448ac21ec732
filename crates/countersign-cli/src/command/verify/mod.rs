//! `countersign verify`: builds a verifier from options or a policy file, and verifies tokens.

mod batch;
mod introspection;
mod proof;
mod report;

use clap::Args;
use countersign::verify::Verdict;

use introspection::AnswerOptions;
use proof::ProofOptions;

use crate::exit::{EXIT_CODES, Failure, Outcome};
use crate::verification::{Session, Settings, VerifyOptions};
use crate::{input, output};

/// Verify a token as a service does: issuer, audience, times, type, algorithm and signature.
///
/// Issuer and audience are required, as options or in the policy file. Without --typ, tokens whose typ is absent, JWT or
/// at+jwt pass; at+jwt selects the RFC 9068 profile with its required claims, JWT stands for ID tokens, and any accepts
/// every type. Without --alg every asymmetric algorithm that the keys allow passes; HMAC requires --alg HS256 (384, 512)
/// and an oct key from a file.
///
/// With --proof, the token is explained with the proof that came with it (DPoP): each member that is wrong, with the value that
/// it should have. Whether a service has seen the proof before is not checked.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// The token, or - for standard input, or @FILE. Default: $COUNTERSIGN_TOKEN, then standard input
    token: Option<String>,
    #[command(flatten)]
    options: VerifyOptions,
    #[command(flatten)]
    proof: ProofOptions,
    #[command(flatten)]
    answer: AnswerOptions,
    /// Print one JSON object: verdict, header, claims, code, message, checks; with --proof also proof, its own report
    #[arg(long)]
    json: bool,
    /// Read one token per line, print one JSON object per line, in order; exit code 0 when all lines are done
    #[arg(long)]
    batch: bool,
}

impl Arguments {
    pub(crate) fn run(self) -> Outcome {
        let settings = Settings::from_options(&self.options)?;
        let policy = settings.policy.clone();
        let mut session = Session::new(settings)?;
        if self.answer.is_given() {
            return self.answer.run(&policy, &mut session, self.json);
        }
        if self.batch {
            return batch::run(&mut session, input::lines(self.token.as_deref())?);
        }
        let token = input::without_scheme(&input::token(self.token.as_deref())?).to_owned();
        if token.is_empty() {
            return Err(Failure::usage("no token given; pass it on standard input"));
        }
        let (report, proof) = match self.proof.reports(&mut session, &token)? {
            Some((report, proof)) => (report, Some(proof)),
            None => (session.report(&token), None),
        };
        if self.json {
            output::line(&report::json_with_proof(&report, proof.as_ref())?)?;
        } else {
            let is_undecided = matches!(report.verdict, Verdict::Undecided { .. });
            let failures = if is_undecided { session.key_failures(&token) } else { Vec::new() };
            report::print(&report, proof.as_ref(), &session.origin(&report), &failures, session.now())?;
        }
        Ok(report::exit(proof.as_ref().filter(|proof| !proof.is_accepted()).unwrap_or(&report)))
    }
}
