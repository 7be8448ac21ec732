//! Redis is killed, stays away, and comes back empty.

use std::thread::sleep;
use std::time::Duration;

use countersign_benches::report::{Report, short};

use crate::Result;
use crate::fleet::{FIRST_TOKEN, Fleet, LONGEST};
use crate::times::Times;
use crate::verifiers::Command;
use crate::world::micros;

/// The goal: seconds from its return until what was revoked meanwhile is refused.
const GOAL: f64 = 5.0;

pub(crate) fn run(fleet: &mut Fleet, outage: Duration, report: &mut Report) -> Result<()> {
    let (before, number) = fleet.token();
    let refused = Command::Status(before.clone(), 401, LONGEST);
    fleet.moments(&refused, |fleet| {
        fleet.revoke(number);
        Ok(())
    })?;
    let good = fleet.world.token(FIRST_TOKEN);
    let (during, number) = fleet.token();
    fleet.ask(&Command::Watch(vec![before.clone()], good.clone()), |_| Ok(()))?;
    fleet.redis.kill()?;
    sleep(outage / 2);
    fleet.revoke(number);
    sleep(outage / 2);
    fleet.redis.start_again()?;
    let sent = fleet.redis.sent_bytes();
    let back = micros();
    let mut taken = Times::default();
    taken.add(back, fleet.moments(&Command::Status(during, 401, LONGEST), |_| Ok(()))?);
    let mut complete = Times::default();
    complete.add(back, fleet.moments(&Command::Status(good, 200, LONGEST), |_| Ok(()))?);
    let sent = fleet.redis.sent_bytes().saturating_sub(sent) as f64 / 1e6;
    let answers = fleet.ask(&Command::Unwatch, |_| Ok(()))?;
    let watched = answers.iter().map(|answer| answer.watched);
    let (decisions, unknown, wrong) = watched
        .fold((0, 0, 0), |sum, watched| (sum.0 + watched.decisions, sum.1 + watched.unknown, sum.2 + watched.wrong));
    if decisions == 0 || unknown == 0 {
        return Err("nothing was decided while Redis was away".into());
    }
    let forgotten = fleet.ask(&Command::Status(before, 401, Duration::from_secs(5)), |_| Ok(()))?;
    let forgotten = forgotten.iter().flat_map(|answer| &answer.values).filter(|value| **value == 0).count();
    let name = format!("{} s without Redis, then an empty one", outage.as_secs());
    report.at_most(format!("{name}: decisions against the setting"), "", 0.0, wrong as f64);
    report.at_most(format!("{name}: revocations that a verifier forgot"), "", 0.0, forgotten as f64);
    report.at_most(format!("{name}: revoked meanwhile, refused by 99 %"), " s", GOAL, taken.quantile(0.99));
    let row = |name: &str, times: &Times| {
        let [median, high, longest] = times.cells();
        vec![name.to_owned(), median, high, longest]
    };
    let note = format!(
        "Seconds from its return, {} verifiers. {decisions} decisions meanwhile, of which {unknown} were 503: the feed was \
         older than its limit. Redis sent {} MB until all were complete.",
        short(fleet.size as f64),
        short(sent)
    );
    let rows = vec![
        row("revoked while it was away, refused", &taken),
        row("complete again: other tokens are accepted", &complete),
    ];
    println!("Redis sent {} MB", short(sent));
    report.table(&name, &note, &["", "median", "99 %", "longest"], rows);
    Ok(())
}
