//! The answer of an introspection endpoint, explained as a layer reads it (RFC 7662, RFC 9701).

use clap::Args;
use countersign::policy::Policy;
use countersign::verify::{Report, Verdict};
use countersign_core::integration::{ExplainedAnswer, explain_introspection};

use super::report;
use crate::exit::{Failure, Outcome};
use crate::input;
use crate::output::{self, Tone, toned};
use crate::verification::{Session, print_checks, remedy};

/// The answer, and the client that it is for.
#[derive(Args)]
pub(super) struct AnswerOptions {
    /// Instead of a token, explain the answer of an introspection endpoint: JSON (RFC 7662) or signed (RFC 9701); - for standard
    /// input. The table introspection of --policy says which form is demanded
    #[arg(long, value_name = "FILE", conflicts_with_all = ["token", "batch", "proof"])]
    introspection_answer: Option<String>,
    /// The client that asked, for which a signed answer is; by default that of the policy
    #[arg(long, value_name = "ID", requires = "introspection_answer")]
    client: Option<String>,
    /// The audience of an answer without aud; by default that of the policy, and without one such answers are refused
    #[arg(long, value_name = "AUD", requires = "introspection_answer")]
    absent_audience: Option<String>,
}

impl AnswerOptions {
    pub(super) const fn is_given(&self) -> bool {
        self.introspection_answer.is_some()
    }

    /// Explains the answer by the settings of `policy`.
    pub(super) fn run(&self, policy: &Policy, session: &mut Session, is_json: bool) -> Outcome {
        let path = self.introspection_answer.as_deref().unwrap_or("-");
        let answer = input::bytes(path)?;
        let settings = policy.introspection.as_ref();
        let issuer = match (settings.and_then(|settings| settings.issuer.as_deref()), policy.issuers.as_slice()) {
            (Some(named), _) => named,
            (None, [only]) => &only.issuer,
            (None, _) => return Err(Failure::usage("the policy has several issuers; add --issuer ISS")),
        };
        let client = self.client.as_deref().or(settings.map(|settings| settings.client.as_str()));
        let absent = self.absent_audience.as_deref();
        let is_object = answer.trim_ascii_start().starts_with(b"{");
        let explained = ExplainedAnswer {
            issuer,
            client_id: client.unwrap_or_default(),
            absent_audience: absent.or(settings.and_then(|settings| settings.absent_audience.as_deref())),
            // Without settings, either form is explained as it is.
            is_signed: settings.map_or(!is_object, |settings| settings.require_signed_answers),
        };
        let verifier = session.verifier_for("");
        let report = session.wait(explain_introspection(&verifier, &answer, &explained));
        match is_json {
            true => output::line(&report::json(&report)?)?,
            false => print(&report, session.now())?,
        }
        Ok(report::exit(&report))
    }
}

fn print(report: &Report, now: i64) -> Result<(), Failure> {
    report::print_verdict(&report.verdict)?;
    output::line("")?;
    print_checks(report, now)?;
    if let Some(remedy) = report.verdict.code().and_then(remedy) {
        output::line("")?;
        output::line(&format!("{} {remedy}", toned(Tone::Strong, "To fix it:")))?;
    }
    if let (Verdict::Accepted, Some(claims)) = (&report.verdict, &report.claims) {
        output::line("")?;
        output::line(&output::pretty_json(claims))?;
    }
    Ok(())
}
