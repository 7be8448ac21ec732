//! Envoy that asks the gateway, beside Envoy that verifies the same tokens with its own filter.

use std::net::SocketAddr;
use std::path::Path;

use countersign_benches::edge;
use countersign_benches::measure::median;
use countersign_benches::report::{Report, short};
use countersign_benches::sample::{AUDIENCE, ISSUER};

use crate::server::{Running, Servers};
use countersign_benches::traffic::load::Load;
use countersign_benches::traffic::processes::{self, Role};
use countersign_benches::traffic::{Plan, Result};

use crate::peer;

/// The address that clients ask for.
const TARGET: &str = "/orders?page=2";

/// The contenders that verify tokens.
const VERIFIES: [usize; 2] = [1, 3];

pub(crate) fn run(plan: &Plan, servers: &Servers, folder: &Path, report: &mut Report) -> Result<()> {
    let Some(envoy) = peer("venv/bin/envoy") else {
        println!("\nEnvoy: not measured; install it with tests/peers/install");
        return Ok(());
    };
    let [bare, _, ours] = servers.grpc;
    let contenders = [
        ("no check", String::new()),
        ("jwt_authn, tokens in its cache", jwt_authn(&servers.jwks)),
        ("ext_authz, a server that always permits", ext_authz(bare)),
        ("ext_authz, Countersign", ext_authz(ours)),
    ];
    let mut running = Vec::new();
    for (number, (_, filter)) in contenders.iter().enumerate() {
        let (file, port) = (folder.join(format!("envoy-{number}.yaml")), processes::free_port()?);
        std::fs::write(&file, config(port, filter, [bare, ours]))?;
        let mut command = processes::command(&envoy, Role::Server);
        command.arg("-c").arg(&file).args(["--use-dynamic-base-id", "--concurrency", "1", "-l", "error"]);
        let address: SocketAddr = ([127, 0, 0, 1], port).into();
        let headers = edge::forward_auth_headers(&servers.token);
        let running_envoy = Running::start(command)?.listens(port)?;
        let without: Vec<_> = headers.iter().filter(|(name, _)| *name != "authorization").cloned().collect();
        let is_open = Load::http(address, TARGET, &without).run(plan.turn / 4).is_ok();
        if is_open == VERIFIES.contains(&number) {
            return Err(format!("Envoy is not set up as meant: {}", contenders[number].0).into());
        }
        running.push((running_envoy, Load::http(address, TARGET, &headers)));
    }
    let mut seen = vec![Vec::new(); running.len()];
    for round in 0..=plan.rounds {
        for turn in 0..running.len() {
            let who = (round + turn) % running.len();
            let (envoy, load) = &running[who];
            let busy = || Result::Ok(envoy.busy()? + servers.busy()?);
            let before = busy()?;
            let answered = load.run(plan.turn)?;
            if round > 0 {
                seen[who].push(answered.requests / (busy()? - before).as_secs_f64());
            }
        }
    }
    let of = |who: usize, other: usize| {
        median(seen[who].iter().zip(&seen[other]).map(|(mine, other)| 100.0 * mine / other).collect())
    };
    let rows = contenders.iter().enumerate().map(|(who, (name, _))| {
        vec![
            (*name).to_owned(),
            short(median(seen[who].clone()).round()),
            format!("{:.1}", of(who, 1)),
            format!("{:.1}", of(who, 2)),
        ]
    });
    let note = "Envoy answers by itself. The processor time is that of Envoy and of the server that it asks.";
    let head = ["", "a second of one core", "% of jwt_authn", "% of always permit"];
    report.table("Envoy with each filter", note, &head, rows.collect());
    Ok(())
}

fn jwt_authn(jwks: &str) -> String {
    format!(
        r#"
          - name: envoy.filters.http.jwt_authn
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication
              providers:
                id:
                  issuer: {ISSUER}
                  audiences: [{AUDIENCE}]
                  forward: true
                  local_jwks: {{ inline_string: '{jwks}' }}
                  jwt_cache_config: {{ jwt_cache_size: 1000 }}
              rules: [{{ match: {{ prefix: "/" }}, requires: {{ provider_name: id }} }}]"#
    )
}

fn ext_authz(address: SocketAddr) -> String {
    format!(
        r#"
          - name: envoy.filters.http.ext_authz
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
              transport_api_version: V3
              encode_raw_headers: true
              grpc_service: {{ envoy_grpc: {{ cluster_name: "{address}" }}, timeout: 2s }}"#
    )
}

fn config(port: u16, filter: &str, clusters: [SocketAddr; 2]) -> String {
    let clusters = clusters.map(|address| {
        format!(
            r#"
  - name: "{address}"
    connect_timeout: 1s
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {{ http2_protocol_options: {{}} }}
    load_assignment: {{ cluster_name: "{address}", endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {} }} }} }} }}] }}] }}"#,
            address.port()
        )
    });
    format!(
        r#"
static_resources:
  listeners:
  - name: edge
    address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: edge
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [{{ match: {{ prefix: "/" }}, direct_response: {{ status: 200 }} }}]
          http_filters:{filter}
          - name: envoy.filters.http.router
            typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
  clusters:{}
"#,
        clusters.concat()
    )
}
