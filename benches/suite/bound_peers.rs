//! A bound token with its proof, beside peers that verify the same request.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use countersign_benches::bound::{Bound, EXTERNAL_URL};
use countersign_benches::huskarl::{self, Huskarl, HuskarlRaw};
use countersign_benches::measure::{Contender, Figure, Plan, interleave};
use countersign_benches::report::{Report, short};
use countersign_benches::sample::{AUDIENCE, ISSUER};
use countersign_benches::services::{call, now};
use serde_json::{Value, json};

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    let Bound { with_proof, raw, raw_token, service, uncached, jwks, .. } = Bound::new();
    let [mut cached, mut new] = [service, uncached];
    let url: http::Uri = format!("{EXTERNAL_URL}/orders").parse().expect("an address");
    let peer = now(Huskarl::new(ISSUER, AUDIENCE, &jwks[0]));
    let sent = |name: &str| with_proof.headers()[name].to_str().expect("text");
    let raw_peer = [
        now(HuskarlRaw::of(&jwks[0], sent("authorization").trim_start_matches("DPoP "))),
        now(HuskarlRaw::of(&jwks[1], sent("dpop"))),
    ];
    let validate = || now(peer.validate(with_proof.headers(), with_proof.method(), &url));
    validate().expect("the peer accepts the request");
    let raw_of_peer = || assert!(raw_peer.iter().all(|raw| now(raw.check())));
    let figures = interleave(
        plan,
        vec![
            Contender::new("both signatures by themselves, aws-lc-rs", || assert!(raw_token.check() && raw.check())),
            Contender::new("Countersign, a token seen before", || assert!(call(&mut cached, with_proof.clone()))),
            Contender::new("Countersign, a new token", || assert!(call(&mut new, with_proof.clone()))),
            Contender::new("both signatures by themselves, RustCrypto", raw_of_peer),
            Contender::new(huskarl::NAME, || assert!(validate().is_ok())),
        ],
    );
    // Once more in turns with its own signatures, for the difference in each round.
    let pair = vec![Contender::new("", raw_of_peer), Contender::new("", || assert!(validate().is_ok()))];
    let own = interleave(plan, pair);
    // Of a token that was seen before only the signature of the proof is checked, so nothing comparable can be subtracted.
    let over = [None, None, figures.get(2), None, own.get(1)].map(|figure| figure.map(|figure| figure.over));
    let mut rows: Vec<Vec<String>> = figures.iter().zip(over).map(|(figure, over)| row(figure, over)).collect();
    let node = oauth4webapi(&given(&with_proof, &jwks, plan, &url));
    let mut note = String::from(
        "The same request each time: an ES256 token and its ES256 proof, and nobody records the use of the proof. Countersign is \
         measured as a layer around a service, with a copy of the request; the peers as calls of their validation, with the \
         headers as they are. They verify the token each time, so compare them with a new token; a service meets most tokens \
         again. The last column subtracts the signatures by the same library: huskarl-resource-server uses RustCrypto, \
         oauth4webapi WebCrypto.",
    );
    match node {
        Ok(node) => {
            let version = |name: &str| node[name].as_str().unwrap_or_default().to_owned();
            let nanos = |name: &str| node[name].as_f64().unwrap_or(f64::NAN);
            let name = format!("oauth4webapi {}, Node.js {}", version("version"), version("node"));
            rows.push(vec![
                format!("both signatures by themselves, WebCrypto of Node.js {}", version("node")),
                short(nanos("raw") / 1000.0),
                String::new(),
                String::new(),
            ]);
            let over = short((nanos("nanos") - nanos("raw")) / 1000.0);
            rows.push(vec![name, short(nanos("nanos") / 1000.0), String::new(), over]);
            note.push_str(" oauth4webapi is measured right after the others, in a process of its own, one request after the other.");
            if let [_, _, ours, ..] = &figures[..] {
                report.at_least(
                    "a new bound token with its proof, against oauth4webapi",
                    " × faster",
                    1.0,
                    nanos("nanos") / ours.nanos,
                );
            }
        }
        Err(problem) => eprintln!("oauth4webapi is not measured: {problem}"),
    }
    let head = ["", "µs", "Rust allocations", "µs over own signatures"];
    report.table("A token that is bound to a key, beside peers", &note, &head, rows);
    if let [_, _, ours, _, theirs] = &figures[..] {
        let what = format!("a new bound token with its proof, against {}", huskarl::NAME);
        report.at_least(what, " × faster", 1.0, theirs.nanos / ours.nanos);
    }
}

fn row(figure: &Figure, over: Option<f64>) -> Vec<String> {
    let over = over.map(|nanos| short(nanos / 1000.0)).unwrap_or_default();
    vec![figure.name.clone(), short(figure.nanos / 1000.0), short(figure.allocations), over]
}

/// The request as the script of oauth4webapi reads it.
fn given(request: &http::Request<()>, jwks: &[Value; 2], plan: &Plan, url: &http::Uri) -> Value {
    let sent = |name: &str| request.headers()[name].to_str().expect("text");
    json!({
        "issuer": ISSUER, "audience": AUDIENCE, "jwks": jwks, "method": request.method().as_str(), "url": url.to_string(),
        "authorization": sent("authorization"), "dpop": sent("dpop"),
        "rounds": plan.rounds, "turn": plan.turn.as_secs_f64() * 1e3,
    })
}

/// What the script measured.
fn oauth4webapi(given: &Value) -> Result<Value, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("suite/oauth4webapi.mjs");
    let command = Command::new("node").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut process = command.map_err(|error| format!("node: {error}"))?;
    let mut input = process.stdin.take().ok_or("no input")?;
    input.write_all(given.to_string().as_bytes()).map_err(|error| error.to_string())?;
    drop(input);
    let output = process.wait_with_output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err("it failed; tests/peers/install installs it".to_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}
