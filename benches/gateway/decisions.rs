//! Decisions a second of one processor, and the time that they add to requests, beside servers that always permit.

use std::path::Path;

use countersign_benches::edge;
use countersign_benches::measure::median;
use countersign_benches::report::{Report, short};
use countersign_benches::traffic::latency::{Check, at_rate, kept_up, percentile};
use countersign_benches::traffic::load::Load;

use crate::server::Servers;
use countersign_benches::traffic::{Plan, Result};

/// The least share of the decisions of a bare server, in percent.
const SHARE: f64 = 85.0;

/// The most that a decision may add to the 99th percentile at half load, in milliseconds.
const ADDED: f64 = 0.3;

pub(crate) fn run(plan: &Plan, servers: &Servers, folder: &Path, report: &mut Report) -> Result<()> {
    let check = edge::check_request(&servers.token);
    let [bare, bare_axum, ours] = servers.grpc;
    let loads = [
        ("bare tonic", Load::grpc(bare, &check, &[], folder)?),
        ("bare tonic behind axum's server", Load::grpc(bare_axum, &check, &[], folder)?),
        ("Countersign, ext_authz over gRPC", Load::grpc(ours, &check, &[], folder)?),
    ];
    let rate = side_by_side(plan, servers, "ext_authz over gRPC", "bare tonic", &loads, report)?;
    let check = Check::Grpc(Box::new(check));
    added(plan, "ext_authz over gRPC", [(bare, &check), (ours, &check)], rate / 2.0, report)?;

    let (path, headers) = (edge::check_path(), edge::forward_auth_headers(&servers.token));
    let [bare, ours] = servers.http;
    let loads = [
        ("bare axum", Load::http(bare, &path, &headers)),
        ("Countersign, forward-auth over HTTP", Load::http(ours, &path, &headers)),
    ];
    let rate = side_by_side(plan, servers, "forward-auth over HTTP", "bare axum", &loads, report)?;
    let check = Check::http(&path, &headers);
    added(plan, "forward-auth over HTTP", [(bare, &check), (ours, &check)], rate / 2.0, report)
}

/// Loads the servers in turns; the first is the bare one, and the last ours. Returns the decisions that ours made in a second:
/// on a machine with other work, these are less than those in a second of processor time.
fn side_by_side(
    plan: &Plan,
    servers: &Servers,
    what: &str,
    bare: &str,
    loads: &[(&str, Load)],
    report: &mut Report,
) -> Result<f64> {
    let (mut seen, mut made) = (vec![Vec::new(); loads.len()], Vec::new());
    let ours = loads.len() - 1;
    for (_, load) in loads {
        load.run(plan.turn / 4)?;
    }
    for round in 0..plan.rounds {
        for turn in 0..loads.len() {
            let who = (round + turn) % loads.len();
            let before = servers.busy()?;
            let answered = loads[who].1.run(plan.turn)?;
            seen[who].push(answered.requests / (servers.busy()? - before).as_secs_f64());
            if who == ours {
                made.push(answered.requests / plan.turn.as_secs_f64());
            }
        }
    }
    let share = |who: usize| median(seen[who].iter().zip(&seen[0]).map(|(mine, first)| 100.0 * mine / first).collect());
    let rates: Vec<f64> = seen.iter().cloned().map(median).collect();
    let rows = loads.iter().enumerate().map(|(who, (name, _))| {
        let micros = 1e6 / rates[who];
        vec![(*name).to_owned(), short(rates[who].round()), short(micros), format!("{:.1}", share(who))]
    });
    let note = "One server thread, 64 requests in progress, always the same token; medians of turns.";
    report.table(
        &format!("Decisions: {what}"),
        note,
        &["", "a second of one core", "µs each", "% of bare"],
        rows.collect(),
    );
    report.at_least(format!("{what}: decisions a second of one core, relative to {bare}"), " %", SHARE, share(ours));
    Ok(median(made))
}

/// Sends requests at this rate to the bare server and to ours, in turns.
fn added(
    plan: &Plan,
    what: &str,
    servers: [(std::net::SocketAddr, &Check); 2],
    rate: f64,
    report: &mut Report,
) -> Result<()> {
    let rate = kept_up(servers[0].0, servers[0].1, rate, plan.turn / 4)?;
    let mut seen = [const { (Vec::new(), Vec::new()) }; 2];
    for round in 0..plan.rounds {
        for turn in 0..2 {
            let who = (round + turn) % 2;
            let (address, check) = servers[who];
            let mut took = at_rate(address, check, rate, plan.turn)?;
            seen[who].0.push(percentile(&mut took, 50));
            seen[who].1.push(percentile(&mut took, 99));
        }
    }
    let difference = seen[1].1.iter().zip(&seen[0].1).map(|(ours, bare)| ours - bare);
    let added = median(difference.collect());
    let rows = ["bare", "Countersign"].iter().zip(&seen).map(|(name, (half, most))| {
        vec![(*name).to_owned(), format!("{:.3}", median(half.clone())), format!("{:.3}", median(most.clone()))]
    });
    let note = format!(
        "{} requests a second, each at its time: half as many as our server can answer, or as many as the sender can send; medians \
         of turns.",
        short(rate.round())
    );
    report.table(&format!("Latency at half load: {what}"), &note, &["", "p50, ms", "p99, ms"], rows.collect());
    report.at_most(format!("{what}: added to the 99th percentile at half load"), " ms", ADDED, added.max(0.0));
    Ok(())
}
