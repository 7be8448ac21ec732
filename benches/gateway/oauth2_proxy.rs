//! oauth2-proxy as the server that an edge asks, with the same tokens.

use std::net::SocketAddr;

use countersign_benches::edge;
use countersign_benches::measure::median;
use countersign_benches::report::{Report, short};
use countersign_benches::sample::{AUDIENCE, ISSUER};

use crate::server::{Running, Servers};
use countersign_benches::traffic::load::Load;
use countersign_benches::traffic::processes::{self, Role};
use countersign_benches::traffic::{Plan, Result};

use crate::peer;

const NAME: &str = "oauth2-proxy 7.15";

pub(crate) fn run(plan: &Plan, servers: &Servers, report: &mut Report) -> Result<()> {
    let Some(program) = peer("oauth2_proxy/server/oauth2-proxy") else {
        println!("\n{NAME}: not measured; install it with tests/peers/install");
        return Ok(());
    };
    let port = processes::free_port()?;
    let address: SocketAddr = ([127, 0, 0, 1], port).into();
    let mut command = processes::command(&program, Role::Server);
    command.env("GOMAXPROCS", "1").args([
        format!("--http-address={address}"),
        "--provider=oidc".to_owned(),
        format!("--oidc-issuer-url={ISSUER}"),
        format!("--oidc-jwks-url=http://{}/jwks", servers.keys),
        format!("--client-id={AUDIENCE}"),
    ]);
    command.args([
        "--skip-oidc-discovery=true",
        "--login-url=http://127.0.0.1/login",
        "--redeem-url=http://127.0.0.1/token",
        "--client-secret=not-used",
        "--cookie-secret=0123456789abcdef0123456789abcdef",
        "--email-domain=*",
        "--skip-jwt-bearer-tokens=true",
        "--upstream=static://202",
        "--auth-logging=false",
        "--request-logging=false",
        "--standard-logging=false",
    ]);
    let peer = Running::start(command)?.listens(port)?;
    let headers = edge::forward_auth_headers(&servers.token);
    let loads =
        [Load::http(address, "/oauth2/auth", &headers), Load::http(servers.http[1], &edge::check_path(), &headers)];
    let mut seen = [const { Vec::new() }; 2];
    for round in 0..=plan.rounds {
        for turn in 0..2 {
            let who = (round + turn) % 2;
            let busy = || if who == 0 { peer.busy() } else { servers.busy() };
            let before = busy()?;
            let answered = loads[who].run(plan.turn)?;
            if round > 0 {
                seen[who].push(answered.requests / (busy()? - before).as_secs_f64());
            }
        }
    }
    let ratio = median(seen[1].iter().zip(&seen[0]).map(|(ours, theirs)| ours / theirs).collect());
    let rows = [NAME, "Countersign, forward-auth over HTTP"].iter().zip(&seen).map(|(name, rates)| {
        let rate = median(rates.clone());
        vec![(*name).to_owned(), short(rate.round()), short(1e6 / rate)]
    });
    let note = "The same token each time. oauth2-proxy verifies its signature (RS256) at each request.";
    report.table("Forward-auth by a peer", note, &["", "a second of one core", "µs each"], rows.collect());
    report.at_least(format!("forward-auth over HTTP: decisions a second, relative to {NAME}"), " ×", 5.0, ratio);
    Ok(())
}
