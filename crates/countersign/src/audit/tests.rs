use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use countersign_test::TestIssuer;
use http::{Request, Response};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

use super::*;
use crate::authenticate::AuthenticateLayer;
use crate::guard::require;

#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Vec<AuditEvent>>>);

impl AuditSink for Kept {
    fn record(&self, event: &AuditEvent) {
        self.0.lock().expect("unpoisoned").push(event.clone());
    }
}

fn layer(issuer: &TestIssuer, kept: &Kept) -> AuthenticateLayer {
    let log = AuditLog::new("orders", kept.clone()).allowed();
    AuthenticateLayer::builder(issuer.verifier_for("api")).audit(log).build().expect("a layer")
}

async fn answered(_: Request<Bytes>) -> Result<Response<Bytes>, Infallible> {
    Ok(Response::new(Bytes::new()))
}

fn request(issuer: &TestIssuer) -> Request<Bytes> {
    let token = issuer.token().audience("api").sign();
    Request::get("/").header("authorization", format!("Bearer {token}")).body(Bytes::new()).expect("a request")
}

#[cfg(feature = "txn")]
#[tokio::test]
async fn s9_08_the_event_has_the_transaction_of_a_verified_token_only() {
    let (issuer, kept) = (TestIssuer::new(), Kept::default());
    let log = AuditLog::new("orders", kept.clone()).allowed();
    let layer = AuthenticateLayer::builder(issuer.verifier_for("api")).audit(log);
    let layer = layer.transaction_tokens(issuer.transaction_verifier_for("shop.test")).build().expect("a layer");
    let transaction = issuer.transaction_token("shop.test", "trade").claim("txn", "txn-1");
    let expired = transaction.clone().expired().sign();
    for token in [transaction.sign(), expired] {
        let mut request = request(&issuer);
        request.headers_mut().insert("txn-token", token.parse().expect("a value"));
        layer.layer(service_fn(answered)).oneshot(request).await.expect("answered");
    }
    let events = std::mem::take(&mut *kept.0.lock().expect("unpoisoned"));
    let found: Vec<_> = events.iter().map(|event| (event.code, event.txn.as_deref())).collect();
    assert_eq!(found, [("ok", Some("txn-1")), ("transaction_token_expired", None)]);
}

#[tokio::test]
async fn a_client_that_leaves_and_a_service_that_fails_leave_one_event_without_a_status() {
    let issuer = TestIssuer::new();
    let kept = Kept::default();
    let pending = service_fn(|_: Request<Bytes>| std::future::pending::<Result<Response<Bytes>, Infallible>>());
    let service = layer(&issuer, &kept).layer(pending);
    let mut left = Box::pin(service.oneshot(request(&issuer)));
    assert!(std::future::poll_fn(|context| std::task::Poll::Ready(left.as_mut().poll(context))).await.is_pending());
    drop(left);
    let failing = service_fn(|_: Request<Bytes>| async { Err::<Response<Bytes>, _>("a fault") });
    let _ = layer(&issuer, &kept).layer(failing).oneshot(request(&issuer)).await;
    let events = std::mem::take(&mut *kept.0.lock().expect("unpoisoned"));
    let found: Vec<_> = events.iter().map(|event| (event.outcome, event.status)).collect();
    assert_eq!(found, [(AuditOutcome::Allowed, None); 2]);
}

#[tokio::test]
async fn a_sink_that_panics_fails_no_request_and_takes_no_event_from_others() {
    #[derive(Debug)]
    struct Bad;

    impl AuditSink for Bad {
        fn record(&self, _: &AuditEvent) {
            panic!("a fault of the sink");
        }
    }

    let issuer = TestIssuer::new();
    let kept = Kept::default();
    let log = AuditLog::new("orders", Bad).add_sink(kept.clone()).allowed();
    let layer = AuthenticateLayer::builder(issuer.verifier_for("api")).audit(log).build().expect("a layer");
    let answer = layer.layer(service_fn(answered)).oneshot(request(&issuer)).await.expect("answered");
    assert_eq!((answer.status().as_u16(), kept.0.lock().expect("unpoisoned").len()), (200, 1));
}

/// A plain tower service has no router: it names its routes itself, or events have none.
#[tokio::test]
async fn a_plain_service_names_its_routes_itself() {
    let issuer = TestIssuer::new();
    let kept = Kept::default();
    let stack = || ServiceBuilder::new().layer(layer(&issuer, &kept)).layer(require(crate::authz::role("admin")));
    for pattern in [None, Some("/orders/{id}")] {
        let mut request = request(&issuer);
        request.extensions_mut().extend(
            pattern
                .map(|pattern| {
                    let mut extensions = http::Extensions::new();
                    extensions.insert(RoutePattern::new(pattern));
                    extensions
                })
                .unwrap_or_default(),
        );
        stack().service(service_fn(answered)).oneshot(request).await.expect("answered");
        let events = std::mem::take(&mut *kept.0.lock().expect("unpoisoned"));
        let [event] = <[AuditEvent; 1]>::try_from(events).expect("one");
        assert_eq!((event.outcome, event.route.as_deref()), (AuditOutcome::Denied, pattern));
        assert_eq!((event.requirement.as_deref(), event.status), (Some("role admin"), Some(403)));
    }
}

#[test]
fn a_log_without_a_usable_name_and_raw_subjects_under_deny_danger_are_faults() {
    let issuer = TestIssuer::new();
    let fields = |log: AuditLog, denies: bool| -> Vec<String> {
        log.faults(denies).into_iter().map(|fault| fault.field.to_string()).collect()
    };
    for name in ["", "two words", "grüße", &"x".repeat(129)] {
        assert_eq!(fields(AuditLog::new(name, AuditEvents), false), ["audit"], "{name}");
        let log = AuditLog::new(name, AuditEvents);
        assert!(AuthenticateLayer::builder(issuer.verifier_for("api")).audit(log).build().is_err());
    }
    let raw = || danger::raw_subjects(AuditLog::new("orders", AuditEvents));
    assert_eq!((fields(raw(), false), fields(raw(), true)), (vec![], vec!["danger".to_owned()]));
}

#[tokio::test]
async fn subjects_are_absent_pseudonyms_or_as_they_are() {
    use crate::pseudonym::Pseudonyms;
    use crate::secret::Secret;

    let issuer = TestIssuer::new();
    let token = issuer.token().audience("api").subject("ann").claim("act", serde_json::json!({ "sub": "bob" })).sign();
    let pseudonyms = || Pseudonyms::new(&Secret::new(vec![7; 32])).expect("long enough");
    let name = |subject: &str| pseudonyms().pseudonym(issuer.name(), subject);
    type Change = fn(AuditLog) -> AuditLog;
    let cases: [(Change, bool, Option<String>, Option<String>); 5] = [
        (|log| log, false, None, Some("bob".into())),
        (|log| log, true, Some(name("ann")), Some("bob".into())),
        (AuditLog::actor_pseudonyms, true, Some(name("ann")), Some(name("bob"))),
        (AuditLog::actor_pseudonyms, false, None, None),
        (danger::raw_subjects, true, Some("ann".into()), Some("bob".into())),
    ];
    for (change, has_key, subject, actor) in cases {
        let kept = Kept::default();
        let log = change(AuditLog::new("orders", kept.clone()).allowed());
        let builder = AuthenticateLayer::builder(issuer.verifier_for("api")).audit(log);
        let builder = if has_key { builder.log_subjects(pseudonyms()) } else { builder };
        let service = builder.build().expect("a layer").layer(service_fn(answered));
        let request = Request::get("/").header("authorization", format!("Bearer {token}")).body(Bytes::new());
        service.oneshot(request.expect("a request")).await.expect("answered");
        let event = kept.0.lock().expect("unpoisoned").pop().expect("one");
        let caller = event.caller.expect("a caller");
        assert_eq!((caller.subject, caller.actors.into_iter().next().map(|actor| actor.subject)), (subject, actor));
    }
}
