//! Many callers at once, and more events than can be written.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::Request;
use axum::routing::get;
use countersign::audit::{AuditLog, AuditWriter};
use countersign::prelude::*;
use countersign_test::TestIssuer;
use countersign_tests::http::Service;
use serde_json::Value;
use tower::ServiceExt;

use crate::sink::{builder, good, pseudonyms};

const SOON: Duration = Duration::from_secs(60);

/// An output that keeps all lines.
#[derive(Clone, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

impl Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("unpoisoned").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Text {
    fn lines(&self) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().expect("unpoisoned").clone()).expect("text");
        text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }
}

/// S9.13: connections are used again, and handlers go on in other tasks.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s9_13_the_events_of_a_thousand_subjects_at_once_are_not_mixed_up() {
    const SUBJECTS: usize = 1000;
    let issuer = TestIssuer::with_system_clock();
    let text = Text::default();
    let writer = AuditWriter::new(text.clone()).expect("a thread");
    let layer = builder(&issuer, AuditLog::new("orders", writer.clone()).allowed()).build().expect("a layer");
    let handler = |Path(number): Path<usize>, claims: Claims| async move {
        let task = tokio::spawn(async move {
            tokio::task::yield_now().await;
            claims.require(&role(format!("r{number}"))).map(|()| claims.subject().to_owned())
        });
        task.await.expect("no panic")
    };
    let service = Service::start(Router::new().route("/{number}", get(handler)).layer(layer)).await;
    let client = reqwest::Client::builder().pool_max_idle_per_host(32).build().expect("a client");
    let tasks: Vec<_> = (0..SUBJECTS)
        .map(|number| {
            // Every second one lacks its role.
            let role = if number % 2 == 0 { format!("r{number}") } else { "none".to_owned() };
            let token = good(&issuer).subject(format!("s{number}")).client_id(format!("c{number}")).role(role).sign();
            let request = client.get(format!("{}/{number}", service.url())).bearer_auth(token);
            let request = request.header("traceparent", format!("00-{:032x}-00f067aa0ba902b7-01", number + 1));
            tokio::spawn(async move { request.send().await.expect("answered").status().as_u16() })
        })
        .collect();
    for (number, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.expect("no panic"), if number % 2 == 0 { 200 } else { 403 });
    }
    assert!(writer.flush(SOON));
    let lines = text.lines();
    let mut seen = vec![false; SUBJECTS];
    for line in &lines {
        let number = usize::from_str_radix(line["trace_id"].as_str().expect("a trace"), 16).expect("a number") - 1;
        let subject = pseudonyms().pseudonym(issuer.name(), &format!("s{number}"));
        assert_eq!((&line["subject"], &line["client"]), (&subject.into(), &format!("c{number}").into()));
        assert_eq!(line["outcome"], if number % 2 == 0 { "allowed" } else { "denied" });
        if number % 2 == 1 {
            assert_eq!(line["unmet"], format!("role r{number}"));
        }
        assert!(!std::mem::replace(&mut seen[number], true), "twice");
    }
    assert_eq!(lines.len(), SUBJECTS);
}

/// An output that waits until its sender is gone.
struct Blocked(mpsc::Receiver<()>, Text);

impl Write for Blocked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        self.1.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// More events than the queue holds, to an output that takes none: every request is answered, what is lost is counted, and
/// callers with a token have room that the others could not take.
#[tokio::test]
async fn s11_04_a_blocked_output_holds_no_request_up_and_what_is_lost_is_counted_exactly() {
    const REFUSED: u64 = 20_000;
    const ALLOWED: u64 = 2_000;
    let issuer = TestIssuer::new();
    let (go_on, may_go_on) = mpsc::channel();
    let text = Text::default();
    let writer = AuditWriter::new(Blocked(may_go_on, text.clone())).expect("a thread");
    let layer = builder(&issuer, AuditLog::new("orders", writer.clone()).allowed()).build().expect("a layer");
    let app = Router::new().route("/orders/{id}", get(|| async { "in" })).layer(layer);
    let token = good(&issuer).sign();
    let send = |token: Option<&str>| {
        let request = Request::get("/orders/1");
        let request = match token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        };
        app.clone().oneshot(request.body(Body::empty()).expect("a request"))
    };
    for _ in 0..REFUSED {
        assert_eq!(send(None).await.expect("answered").status(), 401);
    }
    let lost_of_strangers = writer.dropped();
    assert!(lost_of_strangers > 1000, "{lost_of_strangers}: the queue is too long for this test");
    for _ in 0..ALLOWED {
        assert_eq!(send(Some(&token)).await.expect("answered").status(), 200);
    }
    assert_eq!(writer.dropped(), lost_of_strangers, "there is room for callers with a token");
    assert!(!writer.flush(Duration::from_millis(1)));
    drop(go_on);
    assert!(writer.flush(SOON));
    assert_eq!(writer.written() + writer.dropped(), REFUSED + ALLOWED);
    drop((app, writer)); // the notice too is written by then
    let lines = text.lines();
    let of = |kind: &str| lines.iter().filter(|line| line["type"] == kind).collect::<Vec<_>>();
    let count = |outcome: &str| lines.iter().filter(|line| line["outcome"] == outcome).count() as u64;
    assert_eq!((count("refused"), count("allowed")), (REFUSED - lost_of_strangers, ALLOWED));
    let said: u64 =
        of("countersign.audit.dropped").iter().map(|line| line["dropped"].as_u64().expect("a number")).sum();
    assert_eq!(said, lost_of_strangers);
}
