//! The names of the fields: those of the page, of the schema, of the lines and of the events through `tracing` are the same.

use std::collections::BTreeSet;
use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use countersign::audit::AuditEvents;
use countersign::prelude::*;
use countersign_test::TestIssuer;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::recorder::Recorder;
use crate::sink::{Kept, good, layer};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Fields that no request here has: one needs gRPC, one a transaction token.
const ELSEWHERE: [&str; 2] = ["grpc_status", "txn"];

fn read(path: &str) -> String {
    std::fs::read_to_string(format!("{}/../docs/{path}", env!("CARGO_MANIFEST_DIR"))).expect(path)
}

#[tokio::test]
async fn page_schema_lines_and_events_have_the_same_fields() {
    let page = read("telemetry.md");
    let table = page.split("| field | content |").nth(1).expect("the table").lines().skip(2);
    let rows = table.take_while(|line| line.starts_with('|'));
    let documented: BTreeSet<String> = rows.map(|row| row.split('`').nth(1).expect("a name").to_owned()).collect();
    let schema: Value = serde_json::from_str(&read("audit.schema.json")).expect("JSON");
    let properties = schema["$defs"]["event"]["properties"].as_object().expect("an object");
    assert_eq!(documented, properties.keys().cloned().collect());

    let (recorder, _guard) = Recorder::begin();
    let issuer = TestIssuer::new();
    let kept = Kept::default();
    let log = kept.log().client_issuer(issuer.name()).add_sink(AuditEvents).allowed();
    let guarded = get(|| async { "in" }).layer::<_, Infallible>(require(scope("write")));
    let app = Router::new().route("/", guarded.layer(require(role("admin").shadowed()))).layer(layer(&issuer, log));
    let act = json!({ "sub": "gateway", "iss": "https://edge.test" });
    let token = good(&issuer).claim("act", act).sign();
    let request = Request::get("/").header("authorization", format!("Bearer {token}")).header("traceparent", PARENT);
    let answer = app.oneshot(request.body(Body::empty()).expect("a request")).await.expect("answered");
    assert_eq!(answer.status(), 403);
    let line = kept.line();
    let own: BTreeSet<String> = line.as_object().expect("an object").keys().cloned().collect();
    let expected: BTreeSet<String> =
        documented.iter().filter(|name| !ELSEWHERE.contains(&name.as_str())).cloned().collect();
    assert_eq!(own, expected);

    let [event] = recorder.take("countersign::audit").try_into().expect("one event");
    let names: BTreeSet<String> = event.fields.keys().map(|name| (*name).to_owned()).collect();
    let mut expected = expected;
    expected.remove("type");
    expected.insert("message".into());
    assert_eq!(names, expected);
    for (name, value) in line.as_object().expect("an object").iter().filter(|(name, _)| *name != "type") {
        if name == "actors" {
            assert_eq!(serde_json::from_str::<Value>(event.field(name)).expect("JSON"), *value);
            continue;
        }
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        assert_eq!(event.field(name), text, "{name}");
    }
}
