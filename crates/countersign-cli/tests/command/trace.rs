//! `countersign trace`: the calls of one transaction, from the audit lines of real services.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::routing::get;
use countersign::audit::{AuditLog, AuditWriter};
use countersign::prelude::*;
use countersign_test::TestIssuer;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::run::{assert_form, countersign};

pub(crate) const SOON: Duration = Duration::from_secs(60);

/// A folder that is removed at the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("countersign-trace-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }

    fn write(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).expect("written");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn layer(issuer: &TestIssuer, service: &str, writer: &AuditWriter) -> AuthenticateLayer {
    let log = AuditLog::new(service, writer.clone()).client_id(format!("{service}-client")).allowed();
    AuthenticateLayer::builder(issuer.verifier_for(service)).audit(log).build().expect("a layer")
}

async fn call(service: &Router, path: &str, token: &str, trace: &HeaderMap) -> u16 {
    let mut request = axum::http::Request::get(path).header("authorization", format!("Bearer {token}"));
    if let Some(parent) = trace.get("traceparent") {
        request = request.header("traceparent", parent);
    }
    let answer = service.clone().oneshot(request.body(Body::empty()).expect("a request")).await.expect("answered");
    answer.status().as_u16()
}

fn trace_parent(number: u32) -> HeaderMap {
    let value = format!("00-{number:032x}-00f067aa0ba902b7-01").parse().expect("ascii");
    HeaderMap::from_iter([(axum::http::HeaderName::from_static("traceparent"), value)])
}

#[tokio::test]
async fn two_services_leave_one_tree() {
    let folder = Folder::new();
    let issuer = TestIssuer::with_system_clock();
    let (gateway_log, orders_log) = (folder.path("gateway.jsonl"), folder.path("orders.jsonl"));
    let writers = [&gateway_log, &orders_log].map(|path| AuditWriter::with_file(path).expect("opened"));
    let orders = Router::new()
        .route("/orders/{id}", get(|| async { "an order" }).layer(require(role("clerk"))))
        .layer(layer(&issuer, "orders", &writers[1]));
    let for_orders = issuer.token().audience("orders").subject("ann").client_id("gateway-client").sign();
    let gateway = Router::new()
        .route(
            "/shop/{id}",
            get(move |request: Request| async move {
                call(&orders, "/orders/17", &for_orders, request.headers()).await.to_string()
            }),
        )
        .layer(layer(&issuer, "gateway", &writers[0]));
    let token = issuer.token().audience("gateway").subject("ann").client_id("web").sign();
    assert_eq!(call(&gateway, "/shop/17", &token, &trace_parent(1)).await, 200);
    assert_eq!(call(&gateway, "/shop/17", &token, &trace_parent(2)).await, 200);
    assert!(writers.iter().all(|writer| writer.flush(SOON)));

    let id = format!("{:032x}", 1);
    let output = countersign(&["trace", "--trace-id", "--json", &id, &orders_log, &gateway_log], "");
    assert_eq!(output.code, 1, "{}", output.stderr);
    let found = output.json();
    assert_form("trace", &found);
    let decisions = found["decisions"].as_array().expect("a list");
    let of = |service: &str| decisions.iter().find(|found| found["service"] == service).expect("there");
    assert_eq!(decisions.len(), 2);
    assert_eq!((&of("gateway")["parent"], &of("gateway")["client"]), (&Value::Null, &json!("web")));
    assert_eq!((&of("orders")["parent"], &of("orders")["parent_by"]), (&of("gateway")["number"], &json!("client")));
    assert_eq!((&of("orders")["outcome"], &of("orders")["unmet"]), (&json!("denied"), &json!("role clerk")));

    let output = countersign(&["trace", "--trace-id", &id, &gateway_log, &orders_log], "");
    let lines: Vec<&str> = output.stdout.lines().collect();
    assert_eq!(lines[0], format!("trace {id}: 2 decisions by 2 services, 1 not allowed"));
    assert!(lines[1].starts_with("#1 gateway  GET /shop/{id}  allowed 200  from web  +0.000 ms"), "{lines:?}");
    assert!(
        lines[2].starts_with("└─ #2 orders  GET /orders/{id}  denied forbidden 403  from gateway-client  +"),
        "{lines:?}"
    );
    assert_eq!(lines[3].trim_start(), "requires role clerk");
    let list = countersign(&["trace", "--trace-id", "--list", &gateway_log, &orders_log], "");
    assert_eq!((list.code, list.stdout.lines().count()), (1, 2), "{}", list.stdout);
}

/// Five services: the gateway calls orders; orders calls stock twice and billing; billing calls ledger.
struct Shop {
    gateway: Router,
    writers: Vec<AuditWriter>,
    logs: Vec<String>,
}

const SERVICES: [&str; 5] = ["gateway", "orders", "stock", "billing", "ledger"];

/// A service with one route, which makes these calls before it answers.
fn service(issuer: &TestIssuer, name: &'static str, writer: &AuditWriter, calls: Vec<(Router, String)>) -> Router {
    let handler = move |request: Request| {
        let calls = calls.clone();
        async move {
            for (service, token) in calls {
                tokio::task::yield_now().await;
                call(&service, "/do/1", &token, request.headers()).await;
            }
        }
    };
    // No caller of the ledger has the role.
    let route = get(handler);
    let route = if name == "ledger" { route.layer(require(role("clerk"))) } else { route };
    Router::new().route("/do/{id}", route).layer(layer(issuer, name, writer))
}

impl Shop {
    fn new(folder: &Folder, issuer: &TestIssuer) -> Self {
        let logs: Vec<String> = SERVICES.iter().map(|name| folder.path(&format!("{name}.jsonl"))).collect();
        let writers: Vec<AuditWriter> = logs.iter().map(|path| AuditWriter::with_file(path).expect("opened")).collect();
        let token = |from: &str, to: &str| {
            issuer.token().audience(to).subject("ann").client_id(format!("{from}-client")).sign()
        };
        let ledger = service(issuer, "ledger", &writers[4], Vec::new());
        let billing = service(issuer, "billing", &writers[3], vec![(ledger, token("billing", "ledger"))]);
        let stock = service(issuer, "stock", &writers[2], Vec::new());
        let for_stock = token("orders", "stock");
        let calls = vec![(stock.clone(), for_stock.clone()), (billing, token("orders", "billing")), (stock, for_stock)];
        let orders = service(issuer, "orders", &writers[1], calls);
        let gateway = service(issuer, "gateway", &writers[0], vec![(orders, token("gateway", "orders"))]);
        Shop { gateway, writers, logs }
    }
}

/// The whole tree as text: each service with those that it called, in order.
pub(crate) fn shape(decisions: &[Value], parent: &Value) -> String {
    let mut below: Vec<String> = decisions
        .iter()
        .filter(|decision| decision["parent"] == *parent)
        .map(|decision| {
            let inner = shape(decisions, &decision["number"]);
            let outcome = decision["outcome"].as_str().expect("text");
            format!("{}:{outcome}{inner}", decision["service"].as_str().expect("text"))
        })
        .collect();
    below.sort();
    if below.is_empty() { String::new() } else { format!("({})", below.join(" ")) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn five_services_and_a_thousand_interleaved_transactions_give_a_thousand_whole_trees() {
    const PARTS: u32 = 50;
    let transactions = u32::try_from(countersign_tests::repeats(200, 1000)).expect("a number");
    let folder = Folder::new();
    let issuer = TestIssuer::with_system_clock();
    let shop = Shop::new(&folder, &issuer);
    let token = issuer.token().audience("gateway").subject("ann").client_id("web").sign();
    let tasks: Vec<_> = (1..=transactions)
        .map(|number| {
            let (gateway, token) = (shop.gateway.clone(), token.clone());
            tokio::spawn(async move { call(&gateway, "/do/1", &token, &trace_parent(number)).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.expect("no panic"), 200);
    }
    assert!(shop.writers.iter().all(|writer| writer.flush(SOON)));
    // The lines of a transaction are the same with `txn` in place of the trace, which transaction tokens give.
    let schema = serde_json::from_str(include_str!("../../../../docs/audit.schema.json")).expect("JSON");
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.add_resource("audit.schema.json", schema).expect("a schema");
    let schema = compiler.compile("audit.schema.json", &mut schemas).expect("a schema");
    let mut whole = String::new();
    let mut parts = vec![String::new(); PARTS as usize];
    for log in &shop.logs {
        for line in std::fs::read_to_string(log).expect("there").lines() {
            let mut line: Value = serde_json::from_str(line).expect("JSON");
            assert!(schemas.validate(&line, schema).is_ok(), "{line}");
            line["txn"] = line["trace_id"].clone();
            let number = u32::from_str_radix(line["txn"].as_str().expect("a trace"), 16).expect("a number");
            whole.push_str(&format!("{line}\n"));
            parts[(number % PARTS) as usize].push_str(&format!("{line}\n"));
        }
    }
    let whole = folder.write("all.jsonl", &whole);
    let expected = "(gateway:allowed(orders:allowed(billing:allowed(ledger:denied) stock:allowed stock:allowed)))";
    let tree = |arguments: &[&str], input: &str| {
        let output = countersign(arguments, input);
        assert_eq!(output.code, 1, "{}", output.stderr);
        let found = output.json();
        assert_eq!(shape(found["decisions"].as_array().expect("a list"), &Value::Null), expected, "{found:#}");
        found
    };
    // Some out of the lines of all, and each out of those of its part: the command takes a while to start.
    for number in [1, transactions / 2, transactions] {
        let id = format!("{number:032x}");
        let found = tree(&["trace", "--json", &id, &whole], "");
        assert_form("trace", &found);
        assert_eq!(tree(&["trace", "--trace-id", "--json", &id, &whole], "")["decisions"], found["decisions"]);
    }
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (tree, parts) = (&tree, &parts);
            scope.spawn(move || {
                for number in (1..=transactions).filter(|number| number % 4 == thread) {
                    tree(&["trace", "--json", &format!("{number:032x}")], &parts[(number % PARTS) as usize]);
                }
            });
        }
    });
    let list = countersign(&["trace", "--list", "--json", &whole], "");
    let list = list.json();
    assert_form("trace_list", &list);
    assert_eq!(list["transactions"].as_array().map(Vec::len), Some(transactions as usize));
}

/// A line as a service writes it.
fn line(txn: &str, service: &str, client: Option<&str>, more: Value) -> Value {
    let mut line = json!({
        "type": "countersign.audit", "time": "2026-11-30T10:00:00.000000Z", "service": service,
        "service_client": service, "outcome": "allowed", "code": "ok", "status": 200, "method": "GET",
        "policy": "00", "duration_us": 1000, "txn": txn,
    });
    let map = line.as_object_mut().expect("an object");
    map.extend(client.map(|client| ("client".to_owned(), client.into())));
    let Value::Object(more) = more else { panic!("an object") };
    map.extend(more);
    line
}

fn text(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn at(milliseconds: u32) -> String {
    format!("2026-11-30T10:00:{:02}.{:03}000Z", milliseconds / 1000, milliseconds % 1000)
}

fn found(id: &str, lines: &[Value]) -> Value {
    countersign(&["trace", "--json", id], &text(lines)).json()
}

#[test]
fn callers_are_known_by_span_by_client_and_by_time_or_said_to_be_ambiguous() {
    let twice = |service: &str, first: u32, second: u32| {
        [first, second].map(|begin| line("t", service, Some("web"), json!({ "time": at(begin), "duration_us": 5000 })))
    };
    // Two requests at one service, each with a call to another: by time, if that fits for both.
    let calls = |first: u32, second: u32| {
        [first, second].map(|begin| line("t", "stock", Some("orders"), json!({ "time": at(begin) })))
    };
    let lines = [twice("orders", 0, 10), calls(2, 12)].concat();
    let decisions = found("t", &lines);
    let parents = |found: &Value| -> Vec<Value> {
        let decisions = found["decisions"].as_array().expect("a list").iter();
        decisions.map(|decision| decision["parent"].clone()).collect()
    };
    assert_eq!(parents(&decisions), [Value::Null, Value::Null, 1.into(), 2.into()]);
    assert_eq!(decisions["decisions"][2]["parent_by"], "time");
    // A clock that is ten milliseconds ahead would lead to the other one: as the second call then fits nowhere, neither is known.
    let lines = [twice("orders", 0, 10), calls(12, 22)].concat();
    let decisions = found("t", &lines);
    assert_eq!(parents(&decisions), [Value::Null, Value::Null, Value::Null, Value::Null]);
    for number in [2, 3] {
        assert_eq!(decisions["decisions"][number]["parent_candidates"], json!([1, 2]));
    }
    let shown = countersign(&["trace", "t"], &text(&lines)).stdout;
    assert_eq!(shown.matches("called by one of #1, #2; nothing tells which").count(), 2, "{shown}");
    // At once.
    let lines = [twice("orders", 0, 1), calls(2, 2)].concat();
    assert_eq!(parents(&found("t", &lines)), [Value::Null, Value::Null, Value::Null, Value::Null]);
    // Spans tell, whatever the clocks say.
    let span = |line: &Value, own: &str, parent: &str| {
        let mut line = line.clone();
        line["trace_id"] = "1".repeat(32).into();
        (line["span_id"], line["parent_id"]) = (own.into(), parent.into());
        line
    };
    let lines = [
        span(&lines[0], "a1", "00"),
        span(&lines[1], "a2", "00"),
        span(&lines[2], "b1", "a2"),
        span(&lines[3], "b2", "a1"),
    ];
    let decisions = found("t", &lines);
    assert_eq!(parents(&decisions), [Value::Null, Value::Null, 2.into(), 1.into()]);
    assert_eq!(decisions["decisions"][2]["parent_by"], "span");
}

#[test]
fn a_service_that_is_called_back_and_one_that_refused_are_told_apart() {
    let parents = |lines: &[Value]| -> Vec<Value> {
        let found = found("t", lines);
        found["decisions"].as_array().expect("a list").iter().map(|decision| decision["parent"].clone()).collect()
    };
    // orders calls billing, which calls orders.
    let lines = [
        line("t", "orders", Some("web"), json!({ "time": at(0) })),
        line("t", "billing", Some("orders"), json!({ "time": at(1) })),
        line("t", "orders", Some("billing"), json!({ "time": at(2) })),
    ];
    assert_eq!(parents(&lines), [Value::Null, 1.into(), 2.into()]);
    // The first request at orders was refused, so the second one called.
    let refused = json!({ "outcome": "denied", "code": "forbidden", "status": 403 });
    let lines = [
        line("t", "orders", Some("web"), refused),
        line("t", "orders", Some("web"), json!({ "time": at(1) })),
        line("t", "billing", Some("orders"), json!({ "time": at(1) })),
    ];
    assert_eq!(parents(&lines), [Value::Null, Value::Null, 2.into()]);
    // A client of the same name at another issuer is another one.
    let own = json!({ "service_client_issuer": "https://id.test", "issuer": "https://id.test" });
    let lines = [
        line("t", "orders", Some("web"), own),
        line("t", "billing", Some("orders"), json!({ "issuer": "https://id.test" })),
        line("t", "billing", Some("orders"), json!({ "issuer": "https://other.test" })),
    ];
    assert_eq!(parents(&lines), [Value::Null, 1.into(), Value::Null]);
    // Lines that contradict each other: none of the two is first, and nothing is left out.
    let lines = [line("t", "a", Some("b"), json!({})), line("t", "b", Some("a"), json!({}))];
    let output = countersign(&["trace", "t"], &text(&lines));
    assert_eq!((output.code, output.stdout.lines().count()), (0, 3), "{}", output.stdout);
}

/// The form of tracing-subscriber, with fields at the top or not; other lines are ignored, and broken ones counted.
#[test]
fn logs_of_tracing_count_once_beside_the_file_and_other_lines_do_not_count() {
    let one = line("t", "orders", Some("web"), json!({ "actors": [{ "subject": "gateway" }] }));
    let mut fields = one.clone();
    let map = fields.as_object_mut().expect("an object");
    map.remove("type");
    map.insert("message".into(), "decision".into());
    map.insert("actors".into(), "[{\"subject\":\"gateway\"}]".into());
    let nested = json!({ "timestamp": "x", "level": "INFO", "target": "countersign::audit", "fields": fields, "span": { "name": "request" } });
    let mut flat = fields.clone();
    flat.as_object_mut().expect("an object").insert("target".into(), "countersign::audit".into());
    for form in [&nested, &flat] {
        let input = format!("{one}\n{form}\n");
        let found = countersign(&["trace", "--json", "t"], &input).json();
        assert_eq!(found["decisions"].as_array().map(Vec::len), Some(1), "{found:#}");
        assert_eq!(found["decisions"][0]["actor"], "gateway");
    }
    let twice = found("t", &[one.clone(), one.clone()]);
    assert_eq!(twice["decisions"].as_array().map(Vec::len), Some(2), "two in one place are two");
    let mut broken = one.clone();
    broken["time"] = "yesterday".into();
    let mut odd = one.clone();
    odd["status"] = "forbidden".into();
    let other = json!({ "target": "countersign::guard", "fields": { "message": "denied" } });
    let dropped = json!({ "type": "countersign.audit.dropped", "dropped": 7 });
    let input =
        format!("{one}\nplain text\n{{\"half\": \n{broken}\n{odd}\n{other}\n{{}}\n\n{dropped}\n[1]\n\"countersign\"\n");
    let output = countersign(&["trace", "--json", "t"], &input);
    let found = output.json();
    assert_form("trace", &found);
    let counts = ["lines", "other_lines", "unreadable_lines", "dropped_events"].map(|name| found[name].as_u64());
    assert_eq!(counts, [Some(10), Some(4), Some(4), Some(7)]);
    let shown = countersign(&["trace", "t"], &input);
    assert!(shown.stderr.contains("4 of 10 lines are not readable") && shown.stderr.contains("dropped 7 events"));
}

#[test]
fn what_is_missing_is_said_with_what_to_configure() {
    let one = line("t", "orders", Some("web"), json!({}));
    let mut without = one.clone();
    without.as_object_mut().expect("an object").remove("txn");
    for (arguments, input, code, message) in [
        (vec!["trace"], String::new(), 2, "no transaction given"),
        (vec!["trace", "t"], String::new(), 3, "the input is empty"),
        (vec!["trace", "t"], "{}\n".to_owned(), 3, "AuthenticateLayerBuilder::audit"),
        (vec!["trace", "t"], format!("{without}\n"), 3, "transaction tokens"),
        (vec!["trace", "u"], format!("{one}\n"), 3, "no audit event has the txn 'u'"),
        (vec!["trace", "--trace-id", "u"], format!("{one}\n"), 3, "no audit event has the trace id 'u'"),
        (vec!["trace", "t", "/no/such/file"], String::new(), 2, "/no/such/file"),
        (vec!["trace", "--list"], format!("{one}\n"), 0, "none that refused has a txn"),
    ] {
        let output = countersign(&arguments, &input);
        assert_eq!(output.code, code, "{arguments:?}: {}", output.stderr);
        assert!(output.stderr.contains(message), "{arguments:?}: {}", output.stderr);
    }
}

/// Text of untrusted clients reaches the terminal only in visible form, and cannot pass for the words around it.
#[test]
fn s10_04_hostile_lines_reach_the_terminal_only_in_visible_form() {
    let hostile = "x  allowed 200\u{1b}[31m\u{202e}\r\n#2 orders";
    let more = json!({ "route": hostile, "code": hostile, "outcome": "denied", "requirement": hostile, "unmet": hostile, "method": hostile });
    let one = line(hostile, hostile, Some(hostile), more);
    let output = countersign(&["trace", hostile], &text(std::slice::from_ref(&one)));
    assert_eq!((output.code, output.stdout.lines().count()), (1, 3), "{}", output.stdout);
    assert!(output.stdout.chars().all(|letter| letter == '\n' || !letter.is_control()), "{:?}", output.stdout);
    assert!(!output.stdout.contains('\u{202e}') && !output.stdout.contains("orders  x"), "{}", output.stdout);
    let json = countersign(&["trace", "--json", hostile], &text(&[one]));
    assert!(json.stdout.trim_end().chars().all(|letter| (' '..='~').contains(&letter)));
    // A line that never ends, and one that is no text.
    let long = format!("{{\"type\": \"countersign.audit\", \"x\": \"{}\n{{}}\n", "x".repeat(3 << 20));
    assert_eq!(countersign(&["trace", "t"], &long).code, 3);
    assert!(countersign(&["trace", "t"], "\u{0}\u{1}\n").stderr.contains("not"));
}

/// As many requests as are kept, all by the same client: it ends soon, and says what it leaves out.
#[test]
fn s11_04_a_transaction_of_many_thousand_lines_has_a_bound() {
    let lines: Vec<Value> =
        (0..12_000_u32).map(|number| line("t", "orders", Some("orders"), json!({ "duration_us": number }))).collect();
    let output = countersign(&["trace", "--json", "t"], &text(&lines));
    let found = output.json();
    assert_eq!(found["decisions"].as_array().map(Vec::len), Some(10_000));
    assert_eq!((&found["decisions_left_out"], &found["decisions"][0]["more_candidates"]), (&2000.into(), &true.into()));
}
