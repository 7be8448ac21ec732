//! `countersign trace` over a thousand concurrent transactions of five services, over sockets: S9.08, S9.09, S9.13.
//!
//! A transaction token and the header `traceparent` pass through the services in different ways, and each line has the
//! identifiers of both. Lines grouped by one must therefore be those grouped by the other.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode};
use axum::routing::get;
use axum::{Router, http};
use countersign::audit::{AuditEvents, AuditLog, AuditWriter};
use countersign::authz::{claim, in_transaction};
use countersign::extract::Transaction;
use countersign::grpc::{CallerExt, grpc};
use countersign::outbound::{
    AttachToken, AttachTokenLayer, ClientCredentials, NewTransaction, Outbound, OutboundBuilder, TransactionClient,
};
use countersign::prelude::*;
use countersign::secret::Secret;
use countersign::verify::{TransactionToken, TransactionVerifier};
use countersign_core::mint::Draft;
use countersign_issuer::{Audience, Client, Issuer, TransactionRule, TrustDomain};
use countersign_tests::grpc::Desk;
use countersign_tests::http::Service as Loopback;
use serde_json::{Value, json};
use tonic::client::Grpc;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::Layer;

use crate::run::{assert_form, countersign};
use crate::trace::{Folder, SOON, shape};

const DOMAIN: &str = "shop.example";
const SECRET: &str = "quaint-heron-lifts-49";

/// In the order of the calls. The first one begins the transactions; the second and the last one are of tonic.
const SERVICES: [&str; 5] = ["gateway", "pricing", "stock", "billing", "ledger"];

/// The transactions whose lines are changed to see that it is noticed.
const FEW: usize = 20;

/// The next service, with the client that calls it.
#[derive(Clone)]
enum Next {
    Http(String, Outbound),
    Grpc(Grpc<AttachToken<Channel>>),
    Nobody,
}

impl Next {
    /// Calls it within the transaction; returns whether it and all behind it agreed.
    async fn call(self, transaction: &TransactionToken, trace: HeaderValue) -> bool {
        match self {
            Next::Nobody => true,
            Next::Http(url, outbound) => {
                let request = outbound.client().get(url).header("traceparent", trace);
                let answer = outbound.in_transaction(transaction).send(request).await.expect("an answer");
                answer.status() == StatusCode::OK
            }
            Next::Grpc(mut client) => {
                client.ready().await.expect("connected");
                let mut request = Request::new(String::new());
                request.extensions_mut().insert(transaction.clone());
                let trace = trace.to_str().expect("text").parse().expect("ASCII");
                request.metadata_mut().insert("traceparent", trace);
                let path = http::uri::PathAndQuery::from_static("/test.Desk/Do");
                let codec = ProstCodec::<String, String>::default();
                let answer: Result<Response<String>, Status> = client.unary(request, path, codec).await;
                match answer.map_err(|status| status.code()) {
                    Ok(_) => true,
                    Err(Code::PermissionDenied | Code::FailedPrecondition) => false,
                    Err(code) => panic!("{code}"),
                }
            }
        }
    }
}

/// A handler of axum.
async fn handle(State(next): State<Next>, transaction: Transaction, headers: HeaderMap) -> StatusCode {
    call(next, TransactionToken::clone(&transaction), headers).await
}

/// Calls the next service from another task, which is where ambient state gets lost.
async fn call(next: Next, transaction: TransactionToken, headers: HeaderMap) -> StatusCode {
    let trace = headers["traceparent"].clone();
    let call = tokio::spawn(async move { next.call(&transaction, trace).await });
    if call.await.expect("no panic") { StatusCode::OK } else { StatusCode::BAD_GATEWAY }
}

/// The handler of the first service, which begins a transaction. Answers with its identifier.
async fn begin(
    State((transactions, next)): State<(TransactionClient, Next)>,
    Path(number): Path<usize>,
    headers: HeaderMap,
    request: Extensions,
) -> (StatusCode, String) {
    let (scope, details, _) = kind(number);
    let new = NewTransaction::new(scope).details(details);
    let transaction = transactions.begin(&request, new).await.expect("a transaction");
    let txn = transaction.id().to_owned();
    (call(next, transaction, headers).await, txn)
}

/// The method of a service of tonic.
async fn continue_call(next: Next, request: Request<String>) -> Result<Response<String>, Status> {
    let transaction = request.transaction()?.ok_or_else(|| Status::internal("no transaction"))?;
    let trace = request.metadata().get("traceparent").expect("a trace").to_str().expect("text");
    let trace = HeaderValue::from_str(trace).expect("text");
    let call = tokio::spawn(async move { next.call(&transaction, trace).await });
    match call.await.expect("no panic") {
        true => Ok(Response::new(String::new())),
        false => Err(Status::failed_precondition("another service refused")),
    }
}

/// The requirement of a service, but for the first one on the transaction. Those of the second, third and last one refuse some.
fn requirement(service: &str) -> Requirement {
    match service {
        "pricing" => in_transaction(claim("/tctx/tier", "gold")),
        "stock" => in_transaction(scope("orders:place")),
        "ledger" => in_transaction(claim("/tctx/ledger", "open")),
        "gateway" => scope("orders:place"),
        _ => in_transaction(scope("orders:place").or(scope("orders:read"))),
    }
}

/// The scope and the details of a transaction, and the service that refuses it, if one does.
fn kind(number: usize) -> (&'static str, Value, Option<&'static str>) {
    let tier = if number.is_multiple_of(5) { "silver" } else { "gold" };
    let scope = if number.is_multiple_of(7) { "orders:read" } else { "orders:place" };
    let ledger = if number.is_multiple_of(3) { "closed" } else { "open" };
    let refuses = match (tier, scope, ledger) {
        ("silver", ..) => Some("pricing"),
        (_, "orders:read", _) => Some("stock"),
        (.., "closed") => Some("ledger"),
        _ => None,
    };
    (scope, json!({ "tier": tier, "ledger": ledger, "number": number }), refuses)
}

/// The tree of a transaction that this service refuses.
fn expected(refuses: Option<&str>) -> String {
    let mut tree = String::new();
    let last = refuses.map_or(SERVICES.len() - 1, |name| SERVICES.iter().position(|it| *it == name).expect("known"));
    for (place, service) in SERVICES.iter().enumerate().take(last + 1).rev() {
        let outcome = if place == last && refuses.is_some() { "denied" } else { "allowed" };
        tree = format!("({service}:{outcome}{tree})");
    }
    tree
}

/// The issuer of the services' tokens, which is also the transaction token service.
async fn issuer() -> (Issuer, Loopback) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let scopes = ["orders:place", "orders:read"];
    let mut builder = Issuer::builder(format!("http://{}", listener.local_addr().expect("bound")))
        .add_trust_domain(TrustDomain::new(DOMAIN).scopes(scopes));
    for (place, service) in SERVICES.iter().enumerate() {
        builder = builder.add_audience(Audience::new(*service).scopes(scopes.into_iter().filter(|_| place == 0)));
        let client = Client::new(format!("{service}-client")).secret(Secret::from(SECRET));
        let client = client.audiences(SERVICES.get(place + 1).copied());
        let rule = TransactionRule::new(DOMAIN, scopes).subject_audiences([*service]);
        builder = builder.add_client(if place == 0 { client.add_transaction_rule(rule) } else { client });
    }
    let issuer = builder.build().expect("an issuer");
    let server = Loopback::on(listener, issuer.router());
    (issuer, server)
}

fn forwarding<T>(builder: OutboundBuilder<T>, issuer: &Issuer, client: &str, audience: &str, origin: &str) -> T {
    let tokens = ClientCredentials::from_token_endpoint(format!("{}/token", issuer.name()))
        .client(client, Secret::from(SECRET))
        .audience(audience);
    builder.bind(origin, tokens).forward_transaction(origin).build().expect("bound")
}

/// The client of `place` for the service behind it at `origin`.
fn next(issuer: &Issuer, place: usize, origin: &str) -> Next {
    let (client, audience) = (format!("{}-client", SERVICES[place]), SERVICES[place + 1]);
    if audience == "pricing" || audience == "ledger" {
        let channel = Endpoint::from_shared(origin.to_owned()).expect("an address").connect_lazy();
        let layer = forwarding(AttachTokenLayer::builder(), issuer, &client, audience, origin);
        return Next::Grpc(Grpc::with_origin(layer.layer(channel), origin.parse().expect("a URI")));
    }
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    let builder = Outbound::builder(http).client_follows_no_redirects();
    Next::Http(origin.to_owned(), forwarding(builder, issuer, &client, audience, origin))
}

/// The services, the last one first, and the address of the first one.
async fn start(issuer: &Issuer, writer: &AuditWriter) -> (Vec<Loopback>, String) {
    let mut http_services = Vec::new();
    let mut calls = Next::Nobody;
    for (place, service) in SERVICES.iter().enumerate().rev() {
        let transactions = TransactionVerifier::new(issuer.transaction_service_for(DOMAIN)).expect("a verifier");
        let verifier = Verifier::new(issuer.trusted_for(*service)).expect("a verifier");
        let is_grpc = matches!(*service, "pricing" | "ledger");
        // Those of tonic write their events through `tracing`.
        let log = if is_grpc { AuditLog::new(*service, AuditEvents) } else { AuditLog::new(*service, writer.clone()) };
        let layer = AuthenticateLayer::builder(verifier).audit(log.client_id(format!("{service}-client")).allowed());
        if place == 0 {
            let credentials = ClientCredentials::from_token_endpoint(format!("{}/token", issuer.name()));
            let credentials = credentials.client("gateway-client", Secret::from(SECRET));
            let state = (TransactionClient::new(credentials, transactions).expect("a client"), calls);
            let route = get(begin).layer(require(requirement(service)));
            let layer = layer.keep_caller_token().build().expect("a layer");
            let app = Router::new().route("/shop/{number}", route).with_state(state).layer(layer);
            http_services.push(Loopback::start(app).await);
            let url = http_services.last().expect("started").url();
            return (http_services, url);
        }
        let layer = layer.transaction_tokens_required(transactions).build().expect("a layer");
        let origin = if is_grpc {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let address = listener.local_addr().expect("bound");
            let desk = grpc(require(requirement(service)))
                .layer(Desk(move |_, request| continue_call(calls.clone(), request)));
            let server = Server::builder().layer(grpc(layer)).add_service(desk);
            let incoming = TcpIncoming::from(listener);
            tokio::spawn(async move { server.serve_with_incoming(incoming).await.expect("serves") });
            format!("http://{address}")
        } else {
            let route = get(handle).layer(require(requirement(service)));
            let started = Loopback::start(Router::new().route("/", route).with_state(calls).layer(layer)).await;
            http_services.push(started);
            http_services.last().expect("started").url()
        };
        calls = next(issuer, place - 1, &origin);
    }
    panic!("there is a first service")
}

/// What the outside asks for. Returns the identifier of the transaction.
async fn request(number: usize, http: reqwest::Client, token: String, url: String) -> String {
    let request = http.get(format!("{url}/shop/{number}")).bearer_auth(token).header("traceparent", trace(number));
    let answer = request.send().await.expect("answered");
    let expected = if kind(number).2.is_none() { 200 } else { 502 };
    assert_eq!(answer.status().as_u16(), expected, "{number}");
    answer.text().await.expect("a text")
}

fn trace_id(number: usize) -> String {
    format!("{:032x}", number + 1)
}

fn trace(number: usize) -> String {
    format!("00-{}-00f067aa0ba902b7-01", trace_id(number))
}

/// The decisions of each transaction, or trace.
fn traced(by: &str, text: &str) -> HashMap<String, Vec<Value>> {
    let mut arguments = vec!["trace", "--all", "--json"];
    arguments.extend((by == "trace_id").then_some("--trace-id"));
    let output = countersign(&arguments, text);
    assert_eq!(output.code, 1, "{}", output.stderr);
    let found = output.json();
    assert_form("trace_all", &found);
    assert_eq!((&found["unreadable_lines"], &found["decisions_left_out"]), (&json!(0), &json!(0)));
    let transactions = found["transactions"].as_array().expect("a list").iter();
    transactions
        .map(|one| (one[by].as_str().expect("an id").to_owned(), one["decisions"].as_array().expect("a list").clone()))
        .collect()
}

/// The first difference between what the lines tell and what was done.
fn difference(text: &str, txns: &[String]) -> Option<String> {
    let (by_txn, by_trace) = (traced("txn", text), traced("trace_id", text));
    if (by_txn.len(), by_trace.len()) != (txns.len(), txns.len()) {
        return Some(format!("{} transactions and {} traces of {}", by_txn.len(), by_trace.len(), txns.len()));
    }
    (0..txns.len()).find_map(|number| {
        let (Some(found), Some(same)) = (by_txn.get(&txns[number]), by_trace.get(&trace_id(number))) else {
            return Some(format!("{number} is missing"));
        };
        let (tree, expected) = (shape(found, &Value::Null), expected(kind(number).2));
        let is_right = |decision: &Value| {
            let rule = requirement(decision["service"].as_str().expect("text")).to_string();
            let route = match decision["service"].as_str() {
                Some("gateway") => "/shop/{number}",
                Some("pricing" | "ledger") => "/test.Desk/Do",
                _ => "/",
            };
            (&decision["txn"], &decision["trace_id"]) == (&json!(txns[number]), &json!(trace_id(number)))
                && (&decision["requirement"], &decision["route"]) == (&json!(rule), &json!(route))
        };
        if tree != expected {
            Some(format!("{number}: {tree} instead of {expected}"))
        } else if found != same {
            Some(format!("{number}: the lines of its txn are not those of its trace"))
        } else {
            found.iter().find(|it| !is_right(it)).map(|decision| format!("{number}: {decision}"))
        }
    })
}

/// Exchanges the values of a field between two lines.
fn with_swapped(lines: &[Value], field: &str, one: usize, other: usize) -> String {
    let mut lines = lines.to_vec();
    let value = std::mem::take(&mut lines[one][field]);
    lines[one][field] = std::mem::replace(&mut lines[other][field], value);
    text(&lines)
}

/// A line with its fields at the top, which both forms may have there.
fn flat(mut line: Value) -> Value {
    if let Value::Object(fields) = line["fields"].take() {
        line.as_object_mut().expect("an object").extend(fields);
    }
    line.as_object_mut().expect("an object").remove("fields");
    line
}

fn text(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// A runtime whose threads log to a file as services do that use `tracing-subscriber` in its JSON form.
fn runtime(log: &std::path::Path) -> tokio::runtime::Runtime {
    let file = Arc::new(std::fs::File::create(log).expect("a file"));
    let subscriber = tracing_subscriber::fmt().json().with_max_level(tracing::Level::INFO).with_writer(file).finish();
    let dispatch = tracing::Dispatch::new(subscriber);
    let builder = &mut tokio::runtime::Builder::new_multi_thread();
    // The guard ends with its thread.
    let on_start = move || std::mem::forget(tracing::dispatcher::set_default(&dispatch));
    builder.worker_threads(2).enable_all().on_thread_start(on_start).build().expect("a runtime")
}

#[test]
fn s9_08_s9_09_s9_13_a_thousand_transactions_through_five_services_are_rebuilt_and_none_is_mixed_up() {
    let folder = Folder::new();
    let (audit, log) = (folder.path("audit.jsonl"), folder.path("services.log"));
    let txns = runtime(std::path::Path::new(&log)).block_on(async {
        let (issuer, _sts) = issuer().await;
        let writer = AuditWriter::with_file(&audit).expect("opened");
        let (_services, url) = start(&issuer, &writer).await;
        let http = reqwest::Client::new();
        let call = |number: usize| {
            // Of several clients, as each gets a share of the exchanges in progress.
            let client = format!("web-{}", number % 4);
            let draft = Draft::access_token().subject(format!("user-{number}")).audience("gateway").client_id(client);
            let token = issuer.mint(&draft.scope("orders:place orders:read")).expect("a token").as_str().to_owned();
            tokio::spawn(request(number, http.clone(), token, url.clone()))
        };
        // The first one by itself: the issuer then knows the secret of the client that begins transactions.
        let mut txns = vec![call(0).await.expect("no panic")];
        let calls: Vec<_> = (1..countersign_tests::repeats(200, 1_000)).map(call).collect();
        for call in calls {
            txns.push(call.await.expect("no panic"));
        }
        assert!(tokio::task::spawn_blocking(move || writer.flush(SOON)).await.expect("no panic"));
        txns
    });
    let read = |path: &str| std::fs::read_to_string(path).expect("there");
    let whole = read(&audit) + &read(&log);
    assert_eq!(difference(&whole, &txns), None);

    // In a few of them, a line that is missing and the identifiers of another one are noticed.
    let few = &txns[..FEW];
    let lines = whole.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
    let lines = lines.map(flat);
    let lines: Vec<Value> = lines.filter(|line| few.iter().any(|txn| line["txn"] == txn.as_str())).collect();
    assert_eq!(difference(&text(&lines), few), None);
    let of = |service: &str, number: usize| {
        let is_it = |line: &Value| line["service"] == service && line["txn"] == txns[number].as_str();
        lines.iter().position(is_it).expect("a line")
    };
    // 1 and 2 are alike: each decision is the same, so that only the identifiers tell them apart.
    assert_eq!((kind(1).2, kind(2).2), (None, None));
    let mut without = lines.clone();
    without.remove(of("stock", 1));
    for (what, changed) in [
        ("txn", with_swapped(&lines, "txn", of("billing", 1), of("billing", 2))),
        ("trace", with_swapped(&lines, "trace_id", of("gateway", 1), of("gateway", 2))),
        ("outcome", with_swapped(&lines, "outcome", of("stock", 1), of("stock", 7))),
        ("caller", with_swapped(&lines, "client", of("stock", 1), of("billing", 1))),
        ("missing", text(&without)),
    ] {
        assert!(difference(&changed, few).is_some(), "{what}");
    }

    shows_one_transaction(&[&audit, &log], &txns);
}

/// The tree of one transaction, from the files as they are.
fn shows_one_transaction(files: &[&str], txns: &[String]) {
    let refused = (0..txns.len()).find(|number| kind(*number).2 == Some("ledger")).expect("one");
    let output = countersign(&[&["trace", &txns[refused]], files].concat(), "");
    assert_eq!(output.code, 1, "{}", output.stderr);
    let lines: Vec<&str> = output.stdout.lines().collect();
    assert_eq!(lines[0], format!("transaction {}: 5 decisions by 5 services, 1 not allowed", txns[refused]));
    for (place, service) in SERVICES.iter().enumerate() {
        let caller = if place == 0 { "web-".to_owned() } else { format!("{}-client", SERVICES[place - 1]) };
        let line = lines[place + 1];
        let outcome = if *service == "ledger" { "denied" } else { "allowed" };
        assert!(line.contains(service) && line.contains(outcome) && line.contains(&caller), "{line}");
        assert_eq!(line.find('#').map(|column| line[..column].chars().count()), Some(3 * place), "{line}");
    }
    assert!(lines[6].trim_start().starts_with(&format!("requires {}; unmet: ", requirement("ledger"))), "{}", lines[6]);
    let all = countersign(&[&["trace", "--all"], files].concat(), "");
    let trees: Vec<&str> = all.stdout.split("\n\n").collect();
    assert_eq!(trees.len(), txns.len());
    assert!(trees.iter().any(|tree| tree.trim_end() == output.stdout.trim_end()), "each tree as it is alone");
}
