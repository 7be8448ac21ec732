//! Steps 1 to 3: a policy, the next one as a shadow, and the next one in force.

use std::time::Instant;

use crate::bundles::{Rules, SERVICES};
use crate::fleet::Fleet;
use crate::issuer::{ANN, Caller, OLD_BATCH, PARTNER};
use crate::report::Report;
use crate::{Options, Result};

/// The number of tokens of each caller that every instance gets while the shadow compares.
const ROUNDS: usize = 2;

/// Who calls while the shadow compares, and the answer by revision 1.
const CALLERS: [(Caller, u16, &str); 3] = [
    (ANN, 200, "ann, by web-shop"),
    (OLD_BATCH, 200, "night-job, by old-batch, which revision 2 does not list"),
    (PARTNER, 401, "acme-sync, by partner-hub, whose tokens live for half an hour"),
];

pub async fn first(report: &mut Report, fleet: &Fleet, options: Options) -> Result<()> {
    report.step(1, "revision 1 is in force everywhere");
    report.say("It accepts tokens of every client that live for ten minutes at most.");
    let ann = fleet.parts.tokens.tokens(&ANN).await?;
    let ann = if options.has_wrong_tokens { ann.misplaced() } else { ann };
    report.answers("GET /items as ann gets 200", &fleet.ask(&ann, 200).await?);
    let partner = fleet.parts.tokens.tokens(&PARTNER).await?;
    report.answers("GET /items with a token of half an hour gets 401", &fleet.ask(&partner, 401).await?);
    report.end_of_step()?;
    agree_on(report, fleet, 1).await
}

pub async fn shadow(report: &mut Report, fleet: &Fleet) -> Result<()> {
    report.step(2, "revision 2 as a shadow: whom would it concern?");
    report.say("Tokens may live for an hour, and only web-shop, partner-hub and operations may call.");
    fleet.publish_shadow(2, Rules::Second).await?;
    let compared =
        |count: usize| SERVICES.map(|name| format!("{name}, 3 instances: {count} tokens compared with revision 2 "));
    let none = compared(0);
    let started = fleet.look_until(&["shadow"], 3, &borrowed(&none)).await?;
    let has_started = none.iter().all(|line| started.output.contains(line));
    report.check("all twelve have the shadow, and nothing is compared yet", has_started);
    report.end_of_step()?;
    for (caller, status, who) in CALLERS {
        let (mut asked, mut expected) = (0, 0);
        for _ in 0..ROUNDS {
            let answers = fleet.ask(&fleet.parts.tokens.tokens(&caller).await?, status).await?;
            asked += answers.len();
            expected += answers.iter().filter(|answer| answer.is_expected).count();
        }
        let line = format!("GET /items as {who}: {status}, as without a shadow, {expected} of {asked}");
        report.check(&line, expected == asked);
    }
    let of_caller = ROUNDS * 3; // three instances
    let parts = compared(of_caller * CALLERS.len());
    let shadow = fleet.look_until(&["shadow"], 1, &borrowed(&parts)).await?;
    report.command(&shadow, 1, &borrowed(&parts));
    for line in ["newly refused: subject_not_allowed", "newly admitted: lifetime_too_long"] {
        let services = shadow.output.matches(&format!("  {of_caller} {line}\n")).count();
        report.check(
            &format!("{of_caller} {line} at {services} of {} services", SERVICES.len()),
            services == SERVICES.len(),
        );
    }
    report.end_of_step()
}

pub async fn second(report: &mut Report, fleet: &Fleet) -> Result<()> {
    report.step(3, "revision 2 is enforced");
    let batch = fleet.parts.tokens.tokens(&OLD_BATCH).await?;
    let partner = fleet.parts.tokens.tokens(&PARTNER).await?;
    report.answers("before, GET /items by old-batch gets 200", &fleet.ask(&batch, 200).await?);
    let published = Instant::now();
    fleet.publish(2, Rules::Second).await?;
    let refused = fleet.ask_until(&batch, 401, published).await?;
    report.answers("the same tokens, cached until then, get 401 after the publication", &refused);
    report.answers("GET /items by partner-hub gets 200", &fleet.ask(&partner, 200).await?);
    report.end_of_step()?;
    agree_on(report, fleet, 2).await
}

/// Waits until the plane knows that all instances have this revision.
async fn agree_on(report: &mut Report, fleet: &Fleet, revision: u64) -> Result<()> {
    let parts = SERVICES.map(|service| format!("{service}: 3 of 3 agree on revision {revision} "));
    let status = fleet.look_until(&["status"], 0, &borrowed(&parts)).await?;
    report.command(&status, 0, &borrowed(&parts));
    report.end_of_step()
}

fn borrowed(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}
