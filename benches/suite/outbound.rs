//! A call with a cached token beside the bare one, and many callers whose tokens are exchanged.

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use countersign::authenticate::{AuthenticateLayer, CallerToken};
use countersign::outbound::{AttachTokenLayer, Outbound};
use countersign_benches::allocations;
use countersign_benches::measure::{Contender, Plan, as_nanos, interleave, median};
use countersign_benches::report::{Report, short};
use countersign_benches::sample::{self, ISSUER};
use countersign_benches::services::{self, Bare, CachedSource, Echo};
use countersign_core::key::Algorithm;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use tokio::runtime::{Builder, Runtime};
use tower_layer::Layer;
use tower_service::Service;

/// Callers whose tokens are held at once, at most.
const HELD: usize = 10_000;

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    let mut rows = Vec::new();
    layer(plan, report, &mut rows);
    client(plan, report, &mut rows);
    let note = "The layer around a service that is ready at once. The client calls over loopback, so the \
                difference is small relative to the call.";
    report.table("A call with a cached token", note, &["", "ns", "ns over bare", "Rust allocations"], rows);
    callers(plan, report);
}

fn layer(plan: &Plan, report: &mut Report, rows: &mut Vec<Vec<String>>) {
    let runtime = runtime();
    let request = || Request::get("https://billing.test/").body(()).expect("a request");
    let held = HeaderValue::from_static("Bearer a-token");
    let mut bare = Bare;
    let mut attaching =
        AttachTokenLayer::builder().bind("https://billing.test", CachedSource).build().expect("a layer").layer(Bare);
    drop(runtime.block_on(attaching.call(request())));
    let figures = interleave(
        plan,
        vec![
            Contender::new("a service, the header set by hand", || {
                let mut request = request();
                request.headers_mut().insert(AUTHORIZATION, held.clone());
                drop(black_box(services::now(bare.call(request))));
            }),
            Contender::new("the same behind AttachTokenLayer", || {
                drop(black_box(services::now(attaching.call(request()))));
            }),
        ],
    );
    report.at_most("a cached token, the layer over bare", " ns", 500.0, figures[1].over);
    report.at_most(
        "a cached token, the layer over bare",
        " allocations",
        2.0,
        over(figures[1].allocations, &figures[0]),
    );
    rows.extend(
        figures.iter().map(|figure| {
            vec![figure.name.clone(), short(figure.nanos), short(figure.over), short(figure.allocations)]
        }),
    );
}

/// One call at a time over one connection; the least of each round, since the wire's noise only adds.
fn client(plan: &Plan, report: &mut Report, rows: &mut Vec<Vec<String>>) {
    const CALLS: usize = 400;
    let (runtime, url) = (runtime(), server());
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let outbound = Outbound::builder(http.clone()).bind(&url, CachedSource).build().expect("bound");
    let mut held = HeaderValue::from_static("Bearer a-token");
    held.set_sensitive(true);
    let built = || http.get(&url).build().expect("a request");
    let bare = || {
        let mut request = built();
        runtime.block_on(async {
            let start = (Instant::now(), allocations::calls());
            request.headers_mut().insert(AUTHORIZATION, held.clone());
            let answer = http.execute(request).await.expect("an answer");
            let taken = (start.0.elapsed(), allocations::calls() - start.1);
            answer.bytes().await.expect("a body");
            taken
        })
    };
    let with_token = || {
        let request = built();
        runtime.block_on(async {
            let start = (Instant::now(), allocations::calls());
            let answer = outbound.execute(request).await.expect("an answer");
            let taken = (start.0.elapsed(), allocations::calls() - start.1);
            answer.bytes().await.expect("a body");
            taken
        })
    };
    let _ = (bare(), with_token());
    let (mut rounds, mut allocated) = ([Vec::new(), Vec::new()], [u64::MAX; 2]);
    for _ in 0..plan.rounds {
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..CALLS {
            for (which, (taken, allocations)) in [bare(), with_token()].into_iter().enumerate() {
                times[which].push(as_nanos(taken));
                allocated[which] = allocated[which].min(allocations);
            }
        }
        let [one, other] = times;
        rounds[0].push(median(one));
        rounds[1].push(median(other));
    }
    let over = median(rounds[1].iter().zip(&rounds[0]).map(|(ours, bare)| ours - bare).collect());
    let [bare, ours] = rounds.map(median);
    report.at_most("a cached token, Outbound over bare reqwest", " ns", 500.0, over);
    let more = allocated[1] as f64 - allocated[0] as f64;
    report.at_most("a cached token, Outbound over bare reqwest", " allocations", 2.0, more);
    rows.push(vec!["reqwest, the header set by hand".into(), short(bare), "0".into(), short(allocated[0] as f64)]);
    rows.push(vec!["Outbound".into(), short(ours), short(over), short(allocated[1] as f64)]);
}

/// Twice as many callers as are held, each with a token of its own to exchange.
fn callers(plan: &Plan, report: &mut Report) {
    let runtime = runtime();
    let count = if plan.most < 1_000_000 { HELD } else { HELD * 2 };
    let signer = sample::signer(Algorithm::HS256);
    let verifier = sample::verifier(&signer, 1 << 20);
    let layer = AuthenticateLayer::builder(verifier).keep_caller_token().build().expect("a layer");
    let mut keeping = layer.layer(Echo);
    let mut attaching =
        AttachTokenLayer::builder().bind("https://billing.test", CachedSource).build().expect("a layer").layer(Bare);
    let before = allocations::live_bytes();
    let (mut at_the_bound, mut took) = (0, Duration::ZERO);
    for number in 0..count {
        let token = sample::token(&signer, ISSUER, number);
        let Ok(mut answer) = services::now(keeping.call(services::request(&token)));
        let caller = answer.extensions_mut().remove::<CallerToken>().expect("a caller");
        let mut request = Request::get("https://billing.test/").body(()).expect("a request");
        request.extensions_mut().insert(caller);
        let start = Instant::now();
        drop(runtime.block_on(attaching.call(request)).expect("sent"));
        took += start.elapsed();
        if number + 1 == HELD {
            at_the_bound = allocations::live_bytes() - before;
        }
    }
    let at_the_end = allocations::live_bytes() - before;
    let rows = vec![
        vec!["10 thousand callers".into(), short(at_the_bound as f64 / 1e6), short(at_the_bound as f64 / HELD as f64)],
        vec![format!("{} thousand callers", count / 1000), short(at_the_end as f64 / 1e6), String::new()],
    ];
    let note = format!(
        "Each caller has a token of about 1,000 bytes; an exchange took {} ns.",
        short(as_nanos(took) / count as f64)
    );
    report.table("Callers whose tokens are exchanged", &note, &["", "MB", "bytes per cached caller"], rows);
    report.at_most("10 thousand cached callers", " MB", 64.0, at_the_bound as f64 / 1e6);
    if count > HELD {
        report.at_most("20 thousand callers over 10 thousand", " ×", 1.1, at_the_end as f64 / at_the_bound as f64);
    }
}

fn over(allocations: f64, first: &countersign_benches::measure::Figure) -> f64 {
    allocations - first.allocations
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Answers every request with 200, on threads of its own.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            std::thread::spawn(move || {
                let (mut read, mut buffer) = (Vec::new(), [0; 1024]);
                while let Ok(count @ 1..) = stream.read(&mut buffer) {
                    read.extend_from_slice(&buffer[..count]);
                    if read.ends_with(b"\r\n\r\n") {
                        read.clear();
                        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").expect("a reader");
                    }
                }
            });
        }
    });
    url
}
