//! Printing of the library's explain report.

use countersign::verify::{Outcome, Report, Verdict};

use crate::exit::{Exit, Failure};
use crate::output::{self, Tone, toned};
use crate::times;
use crate::verification::{print_checks, remedy};

/// The exit code for a report.
pub(super) fn exit(report: &Report) -> Exit {
    match &report.verdict {
        Verdict::Accepted => Exit::Done,
        Verdict::Undecided { .. } => Exit::Undecided,
        _ => Exit::Rejected,
    }
}

/// The documented JSON form, on one line.
pub(super) fn json(report: &Report) -> Result<String, Failure> {
    let json = serde_json::to_string(report).map(|json| output::ascii_json(&json));
    json.map_err(|_| Failure::usage("the report cannot be written as JSON"))
}

/// The same with the report on the proof as the member `proof`. A request with a refused proof is refused.
pub(super) fn json_with_proof(report: &Report, proof: Option<&Report>) -> Result<String, Failure> {
    let Some(proof) = proof else { return json(report) };
    let unwritable = |_| Failure::usage("the report cannot be written as JSON");
    let mut whole = serde_json::to_value(report).map_err(unwritable)?;
    let explained = serde_json::to_value(proof).map_err(unwritable)?;
    for name in ["verdict", "code", "message"] {
        if !proof.is_accepted() {
            whole[name] = explained[name].clone();
        }
    }
    whole["proof"] = explained;
    Ok(output::ascii_json(&whole.to_string()))
}

/// Prints the verdict on one line.
pub(super) fn print_verdict(verdict: &Verdict) -> Result<(), Failure> {
    let (tone, text) = match verdict {
        Verdict::Accepted => (Tone::Good, "ACCEPTED".to_owned()),
        Verdict::Undecided { code, message } => (Tone::Doubt, format!("COULD NOT BE DECIDED  {code}: {message}")),
        Verdict::Rejected { code, message } => (Tone::Bad, format!("REJECTED  {code}: {message}")),
        _ => (Tone::Doubt, verdict.name().to_owned()),
    };
    output::line(&toned(tone, &output::safe(&text)))
}

/// Prints a report for people, with that on the proof; `failures` are the reasons why keys are missing.
pub(super) fn print(
    report: &Report,
    proof: Option<&Report>,
    origin: &str,
    failures: &[String],
    now: i64,
) -> Result<(), Failure> {
    let verdict = proof.map(|proof| &proof.verdict).filter(|verdict| **verdict != Verdict::Accepted);
    let verdict = verdict.unwrap_or(&report.verdict);
    print_verdict(verdict)?;
    // The key is looked up if the issuer is trusted, so the set was read even if it lacks the key.
    let is_used = report.check("key").is_some_and(|check| check.outcome != Outcome::NotReached);
    let is_wanted = is_used || matches!(report.verdict, Verdict::Undecided { .. });
    let keys = if is_wanted { "keys from" } else { "no key was needed; keys would come from" };
    output::line(&format!("{keys} {}", output::safe(origin)))?;
    for failure in failures {
        output::line(&toned(Tone::Doubt, &output::safe(&format!("no keys: {failure}"))))?;
    }
    output::line("")?;
    print_checks(report, now)?;
    if let Some(proof) = proof {
        output::line("")?;
        output::line(&toned(Tone::Strong, "Proof"))?;
        print_checks(proof, now)?;
        output::line(&format!("{} used before          only a service knows", toned(Tone::Quiet, "-   ")))?;
    }
    if let Some(remedy) = verdict.code().and_then(remedy) {
        output::line("")?;
        output::line(&format!("{} {remedy}", toned(Tone::Strong, "To fix it:")))?;
    }
    if let (Verdict::Accepted, Some(claims)) = (verdict, &report.claims) {
        output::line("")?;
        output::line(&serde_json::to_value(claims).map(|claims| output::pretty_json(&claims)).unwrap_or_default())?;
        if let Some(expires) = claims.get("exp").and_then(crate::claim_text::seconds) {
            output::line(&format!("ends {}, {}", times::utc(expires), times::relative(expires, now)))?;
        }
    }
    Ok(())
}
