//! The gateway takes no router for most requests. Each decision, answer and audit event is that of the library's app nevertheless.

use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use countersign::app::{Protected, RouteTable, Routes, protect};
use countersign::audit::{AuditEvent, AuditLog, AuditSink};
use countersign::prelude::*;
use countersign::response::ResourceMetadata;
use countersign_gateway::{ClientRequest, EdgeDecision, ForeignHeaders, ReservedHeaders, Rules};
use countersign_test::TestIssuer;
use tower::ServiceExt;

const HOST: &str = "acme.example.com";

/// All kinds of access; paths with several methods, with parameters, and with hidden routes.
const TABLE: &str = r#"[
    { "method": "GET", "path": "/public", "access": "public" },
    { "method": "POST", "path": "/public", "access": "authenticated" },
    { "method": "GET", "path": "/optional", "access": "optional" },
    { "method": "ANY", "path": "/any", "access": "authenticated" },
    { "method": "GET", "path": "/any", "access": "required", "rule": { "scope": "orders:read" } },
    { "method": "POST", "path": "/orders", "access": "required", "rule": { "scope": "orders:write" } },
    { "method": "GET", "path": "/orders/{id}", "access": "required", "rule": { "scope": "orders:read" } },
    { "method": "GET", "path": "/orders/new", "access": "required", "rule": { "role": "clerk" } },
    { "method": "GET", "path": "/of/{tenant}/orders", "access": "required", "rule": { "tenant_in_path": "tenant" } },
    { "method": "GET", "path": "/host", "access": "required", "rule": { "tenant_in_host": "example.com" } },
    { "method": "GET", "path": "/login", "access": "required", "rule": { "authenticated_within": { "seconds": 60 } } },
    { "method": "GET", "path": "/shadow", "access": "required", "rule": { "shadowed": { "scope": "orders:admin" } } },
    { "method": "GET", "path": "/hidden", "access": "required", "rule": { "hidden": { "scope": "orders:admin" } } },
    { "method": "POST", "path": "/hidden", "access": "authenticated" },
    { "method": "GET", "path": "/files/{*rest}", "access": "authenticated" },
    { "method": "GET", "path": "/files/secret", "access": "required", "rule": { "hidden": { "role": "admin" } } }
]"#;

const TARGETS: [&str; 25] = [
    "/public",
    "/optional?a=b",
    "/any",
    "/orders",
    "/orders/7?access_token=x",
    "/orders/new",
    "/orders/a%20b",
    "/orders/",
    "/of/acme/orders",
    "/of/%C3%A9/orders",
    "/of/a%25/orders",
    "/of/globex/orders",
    "/of//orders",
    "/host",
    "/login",
    "/shadow",
    "/hidden",
    "/files/a/b",
    "/files/secret",
    "/files/",
    "/listed",
    "/listed-optional",
    "/.well-known/oauth-protected-resource",
    "/unknown",
    "/",
];

#[derive(Clone, Debug, Default)]
struct Events(Arc<Mutex<Vec<String>>>);

impl AuditSink for Events {
    fn record(&self, event: &AuditEvent) {
        self.0.lock().expect("no panic").push(event.to_json());
    }
}

impl Events {
    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().expect("no panic"))
    }
}

/// What became of a request: 200 with the headers for the client's response, or the whole refusal.
type Outcome = (StatusCode, Vec<(String, Vec<u8>)>, Vec<u8>);

fn sorted(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let mut lines: Vec<_> =
        headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect();
    lines.sort();
    lines
}

async fn of_app(app: &Protected, request: Request<Body>) -> Outcome {
    let mut answer = app.clone().oneshot(request).await.expect("infallible");
    if answer.headers().contains_key("x-reached") {
        answer.headers_mut().remove("content-length");
        answer.headers_mut().remove("x-reached");
    }
    let (parts, body) = answer.into_parts();
    (parts.status, sorted(&parts.headers), to_bytes(body, usize::MAX).await.expect("a body").to_vec())
}

async fn of_rules(rules: &Rules, request: ClientRequest) -> Outcome {
    match rules.decide(request, ForeignHeaders::Remove).await {
        EdgeDecision::Allowed(changes) => (StatusCode::OK, sorted(&changes.answer), Vec::new()),
        EdgeDecision::Refused(answer) => (answer.status(), sorted(answer.headers()), answer.body().to_vec()),
        _ => panic!("a decision of a new kind"),
    }
}

/// S9.13: also for unknown paths and methods, hidden routes, `HEAD`, and requests that the layer answers itself.
#[tokio::test]
async fn s9_13_each_decision_is_that_of_the_librarys_app() {
    let issuer = TestIssuer::new();
    let layer = |events: &Events| {
        let metadata = ResourceMetadata::new("https://acme.example.com").expect("an address");
        let layer = AuthenticateLayer::builder(issuer.verifier_for("orders")).resource_metadata(metadata);
        let layer = layer.public(["/listed"]).optional(["/listed-optional"]);
        let layer =
            layer.websocket_protocol_pair().audit(AuditLog::new("orders", events.clone()).allowed().anonymous());
        layer.build().expect("a layer")
    };
    let (of_app_events, of_rules_events) = (Events::default(), Events::default());
    let table = RouteTable::from_json(TABLE).expect("a table");
    let routes: Routes = Routes::from_table(&table, || async { [("x-reached", "yes")] }).expect("routes");
    let app = protect(routes, layer(&of_app_events)).with_state(());
    let headers = ReservedHeaders::new().build().expect("names");
    let rules = Rules::new(&table, layer(&of_rules_events), headers).expect("rules");

    let draft = || issuer.token().subject("ann").audience("orders");
    let good = draft().scope("orders:read orders:write orders:admin").role("clerk").role("admin").tenant("acme");
    let (good, weak) = (good.sign(), draft().scope("orders:write").tenant("globex").sign());
    let expired = draft().expired().sign();
    let bearer = |token: &dyn std::fmt::Display| vec![("authorization", format!("Bearer {token}"))];
    let mut pair = vec![("upgrade", "websocket".to_owned()), ("connection", "upgrade".to_owned())];
    pair.push(("sec-websocket-protocol", format!("bearer, {good}")));
    let credentials = [
        vec![],
        bearer(&good),
        bearer(&weak),
        bearer(&expired),
        bearer(&"e30.e30.AA"),
        bearer(&"two tokens"),
        vec![("authorization", "Basic YTpi".to_owned())],
        [bearer(&good), bearer(&weak)].concat(),
        [bearer(&good), vec![("x-forwarded-host", "globex.example.com".to_owned())]].concat(),
        pair,
    ];
    let (mut allowed, mut refused) = (0, 0);
    for target in TARGETS {
        for method in ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "CONNECT", "ANY"] {
            for sent in &credentials {
                let method: Method = method.parse().expect("a method");
                let mut request = Request::builder().method(method.clone()).uri(target).header("host", HOST);
                let mut headers = HeaderMap::new();
                for (name, value) in sent {
                    request = request.header(*name, value);
                    headers.append(*name, value.parse().expect("a value"));
                }
                let ours = of_rules(&rules, ClientRequest::new(method.clone(), HOST, target, headers)).await;
                let context = format!("{method} {target} {sent:?}");
                if ours.0 == StatusCode::BAD_REQUEST && String::from_utf8_lossy(&ours.2).contains("ambiguous_address") {
                    continue; // the gateway's own refusal, before it asks anybody
                }
                let theirs = of_app(&app, request.body(Body::empty()).expect("a request")).await;
                assert_eq!(ours, theirs, "{context}");
                assert_eq!(of_rules_events.taken(), of_app_events.taken(), "{context}");
                *if ours.0 == StatusCode::OK { &mut allowed } else { &mut refused } += 1;
            }
        }
    }
    assert!(allowed > 100 && refused > 500, "{allowed} allowed, {refused} refused: both kinds are compared");
}
