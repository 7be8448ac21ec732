//! Fleets of growing size: the times to all verifiers, and what they cost whom.

use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::{Duration, Instant};

use countersign_benches::report::{Report, short};

use crate::fleet::{FIRST_TOKEN, Fleet, LONGEST};
use crate::times::Times;
use crate::verifiers::Command;
use crate::world::{STATUS_TTL, micros};
use crate::{Part, Plan, Result, bad, host, outage, usage};

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
    plane_bytes: f64,
}

pub(crate) fn run(plan: &Plan, report: &mut Report) -> Result<()> {
    let (mut times, mut costs) = (Vec::new(), Vec::new());
    let largest = plan.sizes.last().copied().unwrap_or(1);
    for size in plan.sizes.iter().filter(|size| plan.has(Part::Growth) || **size == largest) {
        if !plan.has(Part::Growth) && !plan.has(Part::Outage) && !plan.has(Part::Bad) {
            break;
        }
        let start = Instant::now();
        let mut fleet = Fleet::start(*size, SHORT, plan.identifiers)?;
        let listed = fleet.world.listed(FIRST_LISTED, &fleet.host.list_uri());
        fleet.moments(&Command::Status(listed, 200, LONGEST), |_| Ok(()))?;
        let started = start.elapsed().as_secs_f64();
        println!("{size} verifiers are ready after {started:.1} s");
        if plan.has(Part::Growth) {
            let load = at_rest(&fleet);
            times.extend(publish(&mut fleet, plan, report)?);
            costs.push(cost(&fleet, started, load));
            if *size == largest {
                extrapolate(load, *size as f64, report);
            }
        }
        if *size == largest && plan.has(Part::Outage) {
            outage::run(&mut fleet, plan.outage, report)?;
        }
        if *size == largest && plan.has(Part::Bad) {
            bad::run(&mut fleet, report)?;
        }
    }
    if plan.has(Part::Interval) {
        times.extend(with_default_interval(plan, largest)?);
    }
    if !times.is_empty() {
        let note = "Seconds from the publication. Hints are given to each process by this bench, as a message would give them. \
                    Reported is what `countersign fleet status` lists, which is asked five times a second at most.";
        let head = ["verifiers", "", "median", "99 %", "longest"];
        report.table("From a publication to all verifiers", note, &head, times);
    }
    if !costs.is_empty() {
        let note = "A fleet at rest: bundles are pulled every 3 s, status lists every 5 s, and the stream is confirmed every \
                    second. Times of processors are in per cent of one core; the last column is the resident memory of a verifier.";
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
    }
    Ok(())
}

/// The times of revisions and revocations, beside their goals.
fn publish(fleet: &mut Fleet, plan: &Plan, report: &mut Report) -> Result<Vec<Vec<String>>> {
    let size = fleet.size;
    let (in_force, reported) = revisions(fleet, plan.rounds, Duration::from_secs(60))?;
    if !fleet.plane.status()?.agree {
        return Err("all reported the revision, and `countersign fleet status` says that they do not agree".into());
    }
    let (by_stream, by_list) = (revocations(fleet, plan.rounds)?, by_status_list(fleet, plan.rounds)?);
    let ttl = STATUS_TTL.as_secs();
    let measured = [
        ("a revision in force, pulls every 3 s".to_owned(), "a revision in force", &in_force),
        ("the same, reported".to_owned(), "a revision reported", &reported),
        ("a token revoked by the stream, refused".to_owned(), "a revocation by the stream", &by_stream),
        (
            format!("a token revoked in a status list with a ttl of {ttl} s, refused"),
            "a revocation by status list, ttl 5 s",
            &by_list,
        ),
    ];
    for (_, series, times) in &measured {
        report.point(series, size, times.quantile(0.99));
    }
    let name = format!("{size} verifiers: a revision, in force and reported by 99 %, pulls every 3 s");
    report.at_most(name, " s", REVISION_GOAL, reported.quantile(0.99));
    let name = format!("{size} verifiers, {} identifiers: a revocation, refused by 99 %", plan.identifiers);
    report.at_most(name, " s", REVOCATION_GOAL, by_stream.quantile(0.99));
    Ok(measured.iter().map(|(name, _, times)| line(size, name, times)).collect())
}

fn line(size: usize, name: &str, times: &Times) -> Vec<String> {
    let [median, high, longest] = times.cells();
    vec![size.to_string(), name.to_owned(), median, high, longest]
}

/// Times until revisions are in force, and until they are reported.
fn revisions(fleet: &mut Fleet, rounds: usize, wait: Duration) -> Result<(Times, Times)> {
    let (mut in_force, mut reported) = (Times::default(), Times::default());
    for _ in 0..rounds {
        let (mut published, mut watch) = (0, None);
        let command = Command::Revision(fleet.revision + 1, wait.saturating_add(LONG));
        let moments = fleet.moments(&command, |fleet| {
            published = fleet.publish_revision()?;
            watch = Some(fleet.plane.watch(fleet.revision, fleet.size, wait.saturating_add(LONG)));
            Ok(())
        })?;
        in_force.add(published, moments);
        let watch = watch.ok_or("nothing was published")?;
        reported.add(published, watch.moments()?);
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
        let watch = fleet.plane.watch(fleet.revision, size, LONG);
        fleet.ask(&Command::Hint, |_| Ok(()))?;
        hinted.add(published, fleet.moments(&Command::Revision(fleet.revision, LONG), |_| Ok(()))?);
        reported.add(published, watch.moments()?);
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
        let documents = (usage::busy_of_threads(host::THREAD), requests());
        let redis = (fleet.redis.busy(), fleet.redis.sent_bytes() as f64);
        (documents, fleet.plane.busy(), redis, fleet.verifiers_usage().0, micros())
    };
    let (before_documents, before_plane, before_redis, before_verifiers, from) = read();
    sleep(REST);
    let (documents, plane, redis, verifiers, to) = read();
    let seconds = to.saturating_sub(from) as f64 / 1e6;
    Load {
        host: (documents.0 - before_documents.0) / seconds,
        plane: (plane - before_plane) / seconds,
        redis: (redis.0 - before_redis.0) / seconds,
        verifiers: (verifiers - before_verifiers) / seconds,
        host_requests: (documents.1 - before_documents.1) / seconds,
        redis_bytes: (redis.1 - before_redis.1) / seconds,
        plane_bytes: fleet.plane.resident(),
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
    // Documents and bundles are asked for this much less often with the default interval.
    let at_default = SHORT.as_secs_f64() / LONG.as_secs_f64();
    let mut parts = vec![
        (
            "Redis, one core of a server",
            load.redis * times,
            "replicas that followers read from, or a cluster with the revocations of each issuer",
        ),
        (
            "host of documents, cores of one process",
            load.host * times,
            "a CDN, or any web server with a cache: an answer is 304",
        ),
        (
            "plane, cores",
            load.plane * times,
            "a plane for each fleet; fewer reports do not help, since it forgets after 5 min",
        ),
    ];
    parts.sort_by(|one, other| other.1.total_cmp(&one.1));
    let mut rows: Vec<Vec<String>> =
        parts.into_iter().map(|(name, value, remedy)| vec![name.to_owned(), short(value), remedy.to_owned()]).collect();
    let more = [
        ("Redis, MB/s sent", load.redis_bytes * times / 1e6, ""),
        ("host of documents, requests/s", load.host_requests * times, ""),
        ("of these, bundles with the default interval of 60 s", MANY / SHORT.as_secs_f64() * at_default, ""),
        ("plane, reports/s at rest", MANY / LONG.as_secs_f64(), ""),
        ("plane, MiB of memory", load.plane_bytes * times / (1024.0 * 1024.0), "it keeps at most 64 MiB of reports"),
    ];
    rows.extend(more.map(|(name, value, remedy)| vec![name.to_owned(), short(value), remedy.to_owned()]));
    let note =
        format!("Calculated from a fleet of {size} at rest. The part that needs the most of a core comes first.");
    report.table("100,000 verifiers, calculated", &note, &["", "needed", "remedy"], rows);
}
