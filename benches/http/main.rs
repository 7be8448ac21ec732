//! Services over HTTP/1.1, HTTP/2 and gRPC, bare and behind the layer.
//!
//!     cargo bench --manifest-path benches/Cargo.toml --no-default-features --bench http [-- --quick]
//!     cargo bench --manifest-path benches/Cargo.toml --no-default-features --features metrics --bench http
//!
//! All servers share one processor, and the load has the other one. Requests are counted for each second of processor time of
//! the servers. Latencies need a machine without other work. Contenders take turns, and each is compared with the bare service
//! that is sent the same token: a longer token costs the bare service more too. With the feature, all services count for a
//! Prometheus recorder, and a service with a guard and typed claims is measured too.
//!
//! It needs `h2load` (Debian: `nghttp2-client`).

mod server;

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use countersign_benches::edge;
use countersign_benches::measure::median;
use countersign_benches::report::{Report, short};
use countersign_benches::traffic::latency::{Check, at_rate, kept_up, percentile};
use countersign_benches::traffic::load::Load;
use countersign_benches::traffic::{self, Plan, Result};

use crate::server::{PATH, Servers};

/// The least share of the requests of a bare service, in percent: with the layer over HTTP/1.1, and in all other cases.
const LAYER: f64 = 97.0;
const FULL: f64 = 95.0;

/// The most that the 99th percentile at half load may be longer than that of the bare service, in percent.
const LONGER: f64 = 3.0;

fn main() -> ExitCode {
    traffic::run(server::serve, measure)
}

/// A service, and the token that it is sent.
struct Service<'a> {
    name: &'static str,
    address: SocketAddr,
    token: &'a str,
    /// The place of the bare service that is sent the same token.
    bare: usize,
    /// The least share of the requests of that one over HTTP/1.1, in percent; none for a bare service.
    goal: Option<f64>,
}

/// A service, and the requests that it is sent.
struct Contender {
    name: &'static str,
    load: Load,
    /// As in [`Service`], over this protocol.
    bare: usize,
    goal: Option<f64>,
}

fn measure(plan: &Plan, folder: &Path, report: &mut Report) -> Result<()> {
    let servers = Servers::start()?;
    let headers = |token: &str| vec![("authorization", format!("Bearer {token}"))];
    let [es256, rs256] = &servers.tokens;
    let [bare, ours_es256, ours_rs256, full] = servers.http;
    let mut services = vec![
        Service { name: "bare axum, token of ES256", address: bare, token: es256, bare: 0, goal: None },
        Service { name: "bare axum, token of RS256", address: bare, token: rs256, bare: 1, goal: None },
        Service { name: "ES256", address: ours_es256, token: es256, bare: 0, goal: Some(LAYER) },
        Service { name: "RS256", address: ours_rs256, token: rs256, bare: 1, goal: Some(LAYER) },
    ];
    if cfg!(feature = "metrics") {
        let name = "ES256, a guard, Claims<C>, metrics";
        services.push(Service { name, address: full, token: es256, bare: 0, goal: Some(FULL) });
    }
    let contenders = |load: fn(SocketAddr, &str, &[(&str, String)]) -> Load| {
        let contender = |service: &Service<'_>| Contender {
            name: service.name,
            load: load(service.address, PATH, &headers(service.token)),
            bare: service.bare,
            goal: service.goal,
        };
        services.iter().map(contender).collect::<Vec<_>>()
    };
    let rate = side_by_side(plan, &servers, "HTTP/1.1", &contenders(Load::http), report)?;
    let with_goal = |contender: Contender| Contender { goal: contender.goal.map(|_| FULL), ..contender };
    let of_http2: Vec<Contender> = contenders(Load::h2c).into_iter().map(with_goal).collect();
    side_by_side(plan, &servers, "HTTP/2", &of_http2, report)?;

    let check = edge::check_request(es256);
    let [bare_grpc, ours_grpc] = servers.grpc;
    let load = |address| Load::grpc(address, &check, &headers(es256), folder);
    let of_grpc = [
        Contender { name: "bare tonic", load: load(bare_grpc)?, bare: 0, goal: None },
        Contender { name: "ES256", load: load(ours_grpc)?, bare: 0, goal: Some(FULL) },
    ];
    side_by_side(plan, &servers, "gRPC, unary", &of_grpc, report)?;

    for service in services.iter().filter(|service| service.goal.is_some()) {
        let lines = [vec![("host", "localhost".to_owned())], headers(service.token)].concat();
        let addresses = [bare, service.address];
        latency(plan, service.name, addresses, &Check::http(PATH, &lines), rate / 2.0, report)?;
    }
    Ok(())
}

/// Loads the services in turns. Returns the requests that the first, a bare one, answered in a second.
fn side_by_side(
    plan: &Plan,
    servers: &Servers,
    what: &str,
    contenders: &[Contender],
    report: &mut Report,
) -> Result<f64> {
    let (mut seen, mut answered) = (vec![Vec::new(); contenders.len()], Vec::new());
    for contender in contenders {
        contender.load.run(plan.turn / 4)?;
    }
    for round in 0..plan.rounds {
        for turn in 0..contenders.len() {
            let who = (round + turn) % contenders.len();
            let before = servers.busy()?;
            let requests = contenders[who].load.run(plan.turn)?.requests;
            seen[who].push(requests / (servers.busy()? - before).as_secs_f64());
            if who == 0 {
                answered.push(requests / plan.turn.as_secs_f64());
            }
        }
    }
    let share = |who: usize| {
        let of_bare = &seen[contenders[who].bare];
        median(seen[who].iter().zip(of_bare).map(|(mine, bare)| 100.0 * mine / bare).collect())
    };
    let rows = contenders.iter().enumerate().map(|(who, contender)| {
        let rate = median(seen[who].clone());
        vec![contender.name.to_owned(), short(rate.round()), short(1e6 / rate), format!("{:.1}", share(who))]
    });
    let note = "One server thread, 64 requests in progress, always the same token, which the bare service is sent too; medians of turns.";
    let head = ["", "a second of one core", "µs each", "% of bare"];
    report.table(&format!("Requests: {what}"), note, &head, rows.collect());
    for (who, contender) in contenders.iter().enumerate() {
        let Some(goal) = contender.goal else { continue };
        let what = format!("{what}, {}: requests a second of one core, relative to bare", contender.name);
        report.at_least(what, " %", goal, share(who));
    }
    Ok(median(answered))
}

/// Sends requests at this rate to the bare service and to ours, in turns.
fn latency(
    plan: &Plan,
    name: &str,
    addresses: [SocketAddr; 2],
    check: &Check,
    rate: f64,
    report: &mut Report,
) -> Result<()> {
    let rate = kept_up(addresses[0], check, rate, plan.turn / 4)?;
    let mut seen = [const { (Vec::new(), Vec::new()) }; 2];
    for round in 0..plan.rounds {
        for turn in 0..2 {
            let who = (round + turn) % 2;
            let mut took = at_rate(addresses[who], check, rate, plan.turn)?;
            seen[who].0.push(percentile(&mut took, 50));
            seen[who].1.push(percentile(&mut took, 99));
        }
    }
    let longer = seen[1].1.iter().zip(&seen[0].1).map(|(ours, bare)| 100.0 * (ours / bare - 1.0));
    let longer = median(longer.collect());
    let names = ["bare", name];
    let rows = names.iter().zip(&seen).map(|(name, (half, most))| {
        vec![(*name).to_owned(), format!("{:.3}", median(half.clone())), format!("{:.3}", median(most.clone()))]
    });
    let note = format!(
        "{} requests a second over HTTP/1.1, each at its time: half as many as the bare service can answer, or as many as the \
         sender can send; medians of turns.",
        short(rate.round())
    );
    report.table(&format!("Latency at half load: {name}"), &note, &["", "p50, ms", "p99, ms"], rows.collect());
    let goal = format!("HTTP/1.1, {name}: 99th percentile at half load, longer than bare");
    report.at_most(goal, " %", LONGER, longer.max(0.0));
    Ok(())
}
