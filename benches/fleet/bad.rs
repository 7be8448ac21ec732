//! Bundles that no verifier may take.

use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::{Duration, Instant};

use countersign_benches::report::Report;
use countersign_core::key::Algorithm;
use countersign_core::mint::Signer;
use serde_json::json;

use crate::Result;
use crate::fleet::Fleet;
use crate::verifiers::Command;
use crate::world::{FLEET, World, now};

/// The pause between two looks at the plane.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The longest wait for the reports of all.
const REPORTED_WITHIN: Duration = Duration::from_secs(20);

const TYPE: &str = "policy-bundle+jwt";

pub(crate) fn run(fleet: &mut Fleet, report: &mut Report) -> Result<()> {
    let in_force = fleet.revision;
    let (mut takers, mut silent, mut rows) = (0, 0, Vec::new());
    for (name, document) in documents(&fleet.world, in_force)? {
        let before = fleet.host.bundle.counts().requests.load(Ordering::Relaxed);
        fleet.host.bundle.publish(document);
        // Everybody has pulled it, and has had time to put it in force and to report.
        let pulled = |fleet: &Fleet| fleet.host.bundle.counts().requests.load(Ordering::Relaxed) - before;
        let start = Instant::now();
        let everybody = fleet.size as u64;
        fleet.ask(&Command::Hint, |_| Ok(()))?;
        let mut refused = fleet.plane.status()?.refused();
        while (pulled(fleet) < everybody || refused < fleet.size) && start.elapsed() < REPORTED_WITHIN {
            sleep(LOOK_EVERY);
            refused = fleet.plane.status()?.refused();
        }
        let revisions = fleet.ask(&Command::Revisions, |_| Ok(()))?;
        let took = revisions.iter().flat_map(|answer| &answer.values).filter(|value| **value != in_force).count();
        takers += took;
        silent += fleet.size - refused;
        rows.push(vec![name.to_owned(), took.to_string(), refused.to_string()]);
    }
    // The next good one is taken: nothing that was refused is in its way.
    let command = Command::Revision(in_force + 1, Duration::from_secs(60));
    fleet.moments(&command, |fleet| fleet.publish_revision().map(|_| ()))?;
    let start = Instant::now();
    while fleet.plane.status()?.refused() > 0 && start.elapsed() < REPORTED_WITHIN {
        sleep(LOOK_EVERY);
    }
    if fleet.plane.status()?.refused() > 0 {
        return Err("the next good bundle was taken, and the plane still lists refusals".into());
    }
    report.at_most("bad bundles: verifiers that took one", "", 0.0, takers as f64);
    report.at_most("bad bundles: verifiers that did not report their refusal", "", 0.0, silent as f64);
    let note = "Who reported it is what `countersign fleet status` lists as refused.";
    report.table("Bad bundles", note, &["", "taken by", "reported by"], rows);
    Ok(())
}

fn documents(world: &World, in_force: u64) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let next = in_force + 1;
    let good = world.bundle(next)?;
    let stranger = Signer::generate(Algorithm::ES256)?;
    let same_name = Signer::generate(Algorithm::ES256)?.with_key_id(world.bundles.key_id());
    let hour = Duration::from_secs(3600);
    let an_hour_ago = now().saturating_sub(hour);
    let changed = |change: &dyn Fn(&mut serde_json::Value)| world.changed(TYPE, next, change);
    let documents = [
        ("an older revision", world.bundle(in_force - 1)?),
        ("the same revision, other content", world.draft(FLEET, in_force).sign(&world.bundles)?),
        ("signed by another key", world.draft(FLEET, next).sign(&stranger)?),
        ("signed by another key of the same name", world.draft(FLEET, next).sign(&same_name)?),
        ("another type", world.changed("at+jwt", next, |_| ())?),
        ("expired", world.draft(FLEET, next).created_at(an_hour_ago).validity(hour).sign(&world.bundles)?),
        (
            "created in the future",
            world.draft(FLEET, next).created_at(now().saturating_add(hour)).sign(&world.bundles)?,
        ),
        ("of another fleet", world.draft("stock-production", next).sign(&world.bundles)?),
        ("an unknown member", changed(&|payload| payload["keys"] = json!({}))?),
        ("an unknown field of the policy", changed(&|payload| payload["policy"]["leewey"] = json!(5))?),
        ("a policy without audience", changed(&|payload| payload["policy"]["issuers"][0]["audience"] = json!(""))?),
        ("cut", good[..good.len() / 2].to_owned()),
    ];
    let mut documents: Vec<_> = documents.map(|(name, text)| (name, text.into_bytes())).into();
    documents.push(("11 MB", vec![b'x'; 11 << 20]));
    Ok(documents)
}
