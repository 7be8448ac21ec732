//! Fleets of growing size: the times to all verifiers, and what they cost whom.

use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::{Duration, Instant};

use countersign_benches::report::{Report, short};

use crate::fleet::{FIRST_TOKEN, Fleet, LONGEST};
use crate::times::Times;
use crate::verifiers::Command;
use crate::world::{STATUS_TTL, micros};
use crate::{Plan, Result, bad, host, outage, plane, usage};

/// An interval between pulls for policies that must be in force within seconds.
const SHORT: Duration = Duration::from_secs(3);

/// The default.
const LONG: Duration = Duration::from_secs(60);

/// The time over which the cost of a fleet at rest is measured.
const REST: Duration = Duration::from_secs(10);

/// The verifiers to which costs are extrapolated.
const MANY: f64 = 100_000.0;

/// The first token of the status list that is asked about: those before are revoked by their identifiers.
const FIRST_LISTED: usize = 500_000;

const REVISION_GOAL: f64 = 5.0;
const REVOCATION_GOAL: f64 = 2.0;

/// What all have had to do in a second, as parts of one core, and bytes.
#[derive(Clone, Copy)]
struct Load {
    host: f64,
    plane: f64,
    redis: f64,
    verifiers: f64,
    host_requests: f64,
    redis_bytes: f64,
}

pub(crate) fn run(plan: &Plan, report: &mut Report) -> Result<()> {
    let (mut times, mut costs) = (Vec::new(), Vec::new());
    let mut last = None;
    for (at, size) in plan.sizes.iter().enumerate() {
        let is_largest = at + 1 == plan.sizes.len();
        let start = Instant::now();
        let mut fleet = Fleet::start(*size, SHORT, plan.identifiers)?;
        let listed = fleet.world.listed(FIRST_LISTED, &fleet.host.list_uri());
        fleet.moments(&Command::Status(listed, 200, LONGEST), |_| Ok(()))?;
        let started = start.elapsed().as_secs_f64();
        println!("{size} verifiers are ready after {started:.1} s");
        let load = at_rest(&fleet);
        last = Some(load);
        let revision = revisions(&mut fleet, plan.rounds, Duration::from_secs(60))?;
        let (by_stream, by_list) = (revocations(&mut fleet, plan.rounds)?, by_status_list(&mut fleet, plan.rounds)?);
        for (name, measured) in [
            (format!("a revision in force, pulls every {} s", SHORT.as_secs()), &revision.0),
            ("the same, reported".to_owned(), &revision.1),
            ("a token revoked by the stream, refused".to_owned(), &by_stream),
            (format!("a token revoked in a status list with a ttl of {} s, refused", STATUS_TTL.as_secs()), &by_list),
        ] {
            times.push(line(*size, &name, measured));
        }
        costs.push(cost(&fleet, started, load));
        if is_largest {
            let name = format!("{size} verifiers: a revision, in force and reported by 99 %, pulls every 3 s");
            report.at_most(name, " s", REVISION_GOAL, revision.1.quantile(0.99));
            let name = format!("{size} verifiers, {} identifiers: a revocation, refused by 99 %", plan.identifiers);
            report.at_most(name, " s", REVOCATION_GOAL, by_stream.quantile(0.99));
            outage::run(&mut fleet, plan.outage, report)?;
            bad::run(&mut fleet, report)?;
            drop(fleet);
            times.extend(with_default_interval(plan, *size)?);
        }
    }
    let note =
        "Seconds from the publication. Hints are given to each process by this bench, as a message would give them.";
    let head = ["verifiers", "", "median", "99 %", "longest"];
    report.table("From a publication to all verifiers", note, &head, times);
    let note = "A fleet at rest: bundles are pulled every 3 s, status lists every 5 s, and the stream is confirmed every second. \
                Times of processors are in per cent of one core; the last column is the resident memory of a verifier.";
    let head = [
        "verifiers",
        "s to start",
        "host, %",
        "plane, %",
        "Redis, %",
        "verifiers, %",
        "requests/s",
        "Redis, KiB/s",
        "KiB each",
    ];
    report.table("What a fleet costs", note, &head, costs);
    if let (Some(load), Some(size)) = (last, plan.sizes.last()) {
        extrapolate(load, *size as f64, report);
    }
    Ok(())
}

/// Only the outage, with the largest fleet.
pub(crate) fn run_outage(plan: &Plan, report: &mut Report) -> Result<()> {
    let size = plan.sizes.last().copied().unwrap_or(1);
    let start = Instant::now();
    let mut fleet = Fleet::start(size, LONG, plan.identifiers)?;
    let good = fleet.world.token(FIRST_TOKEN);
    fleet.moments(&Command::Status(good, 200, LONGEST), |_| Ok(()))?;
    println!("{size} verifiers are ready after {:.1} s", start.elapsed().as_secs_f64());
    outage::run(&mut fleet, plan.outage, report)
}

fn line(size: usize, name: &str, times: &Times) -> Vec<String> {
    let [median, high, longest] = times.cells();
    vec![size.to_string(), name.to_owned(), median, high, longest]
}

/// Times until revisions are in force, and until they are reported.
fn revisions(fleet: &mut Fleet, rounds: usize, wait: Duration) -> Result<(Times, Times)> {
    let (mut in_force, mut reported) = (Times::default(), Times::default());
    for _ in 0..rounds {
        let mut published = 0;
        let command = Command::Revision(fleet.revision + 1, wait.saturating_add(LONG));
        let moments = fleet.moments(&command, |fleet| {
            published = fleet.publish_revision()?;
            Ok(())
        })?;
        in_force.add(published, moments);
        let start = Instant::now();
        while fleet.plane.reported(fleet.revision).len() < fleet.size && start.elapsed() < wait {
            sleep(Duration::from_millis(50));
        }
        let moments = fleet.plane.reported(fleet.revision);
        if moments.len() < fleet.size {
            return Err(format!("{} of {} verifiers reported", moments.len(), fleet.size).into());
        }
        reported.add(published, moments);
    }
    Ok((in_force, reported))
}

fn revocations(fleet: &mut Fleet, rounds: usize) -> Result<Times> {
    let mut times = Times::default();
    for _ in 0..rounds {
        let (token, number) = fleet.token();
        fleet.moments(&Command::Status(token.clone(), 200, LONGEST), |_| Ok(()))?;
        let mut revoked = 0;
        let moments = fleet.moments(&Command::Status(token, 401, LONGEST), |fleet| {
            revoked = fleet.revoke(number);
            Ok(())
        })?;
        times.add(revoked, moments);
    }
    Ok(times)
}

fn by_status_list(fleet: &mut Fleet, rounds: usize) -> Result<Times> {
    let mut times = Times::default();
    for round in 0..rounds {
        let index = FIRST_LISTED + 1 + round;
        let token = fleet.world.listed(index, &fleet.host.list_uri());
        fleet.moments(&Command::Status(token.clone(), 200, LONGEST), |_| Ok(()))?;
        let mut revoked = 0;
        let moments = fleet.moments(&Command::Status(token, 401, LONGEST), |fleet| {
            revoked = fleet.publish_status(index as u64)?;
            Ok(())
        })?;
        times.add(revoked, moments);
    }
    Ok(times)
}

/// Revisions with the default interval between pulls: without hints, and with one to each process.
fn with_default_interval(plan: &Plan, size: usize) -> Result<Vec<Vec<String>>> {
    let mut fleet = Fleet::start(size, LONG, 1)?;
    let good = fleet.world.token(FIRST_TOKEN);
    fleet.moments(&Command::Status(good, 200, LONGEST), |_| Ok(()))?;
    sleep(Duration::from_secs(2));
    let mut hinted = Times::default();
    let mut reported = Times::default();
    for _ in 0..plan.rounds {
        let published = fleet.publish_revision()?;
        fleet.ask(&Command::Hint, |_| Ok(()))?;
        hinted.add(published, fleet.moments(&Command::Revision(fleet.revision, LONG), |_| Ok(()))?);
        let start = Instant::now();
        while fleet.plane.reported(fleet.revision).len() < size && start.elapsed() < LONG {
            sleep(Duration::from_millis(50));
        }
        reported.add(published, fleet.plane.reported(fleet.revision));
    }
    let mut rows = vec![
        line(size, "a revision in force, pulls every 60 s, a hint", &hinted),
        line(size, "the same, reported", &reported),
    ];
    if plan.waits_a_minute {
        let (in_force, reported) = revisions(&mut fleet, 1, LONG * 2)?;
        rows.push(line(size, "a revision in force, pulls every 60 s", &in_force));
        rows.push(line(size, "the same, reported", &reported));
    }
    Ok(rows)
}

fn at_rest(fleet: &Fleet) -> Load {
    let requests = || {
        let requests = |document: &host::Document| document.counts().requests.load(Ordering::Relaxed) as f64;
        requests(&fleet.host.bundle) + requests(&fleet.host.list)
    };
    let read = || {
        let threads = [host::THREAD, plane::THREAD].map(usage::busy_of_threads);
        let redis = (fleet.redis.busy(), fleet.redis.sent_bytes() as f64);
        (threads, redis, fleet.verifiers_usage().0, requests(), micros())
    };
    let (before_threads, before_redis, before_verifiers, before_requests, from) = read();
    sleep(REST);
    let (threads, redis, verifiers, requests, to) = read();
    let seconds = to.saturating_sub(from) as f64 / 1e6;
    Load {
        host: (threads[0] - before_threads[0]) / seconds,
        plane: (threads[1] - before_threads[1]) / seconds,
        redis: (redis.0 - before_redis.0) / seconds,
        verifiers: (verifiers - before_verifiers) / seconds,
        host_requests: (requests - before_requests) / seconds,
        redis_bytes: (redis.1 - before_redis.1) / seconds,
    }
}

fn cost(fleet: &Fleet, started: f64, load: Load) -> Vec<String> {
    let per_cent = |part: f64| short(part * 100.0);
    let resident = fleet.verifiers_usage().1 / fleet.size as f64 / 1024.0;
    vec![
        fleet.size.to_string(),
        short(started),
        per_cent(load.host),
        per_cent(load.plane),
        per_cent(load.redis),
        per_cent(load.verifiers),
        short(load.host_requests),
        short(load.redis_bytes / 1024.0),
        short(resident),
    ]
}

/// The load of many verifiers, if each costs as much as one of those that were measured.
fn extrapolate(load: Load, size: f64, report: &mut Report) {
    let times = MANY / size;
    let rows = [
        ("Redis: a core of one server", load.redis * times, " cores"),
        ("Redis: what it sends", load.redis_bytes * times / 1e6, " MB/s"),
        ("host of documents: requests", load.host_requests * times, "/s"),
        ("host of documents: processor", load.host * times, " cores"),
        ("plane: processor", load.plane * times, " cores"),
    ];
    let rows = rows.map(|(name, value, unit)| vec![name.to_owned(), format!("{}{unit}", short(value))]).into();
    let note = format!("Calculated from a fleet of {size} at rest.");
    report.table("100,000 verifiers, calculated", &note, &["", ""], rows);
}
