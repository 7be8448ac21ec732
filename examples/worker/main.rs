//! A worker of a queue whose messages carry the caller's token, and wait longer than it lives.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign::authz::scope;
use countersign::clock::{Clock, UnixTime};
use countersign::prelude::*;
use countersign::queue::QueueVerifier;
use countersign_test::TestIssuer;

type Failure = Box<dyn std::error::Error>;

/// A message, with the time that the queue itself recorded as it took the message.
struct Message {
    token: String,
    order: u32,
    enqueued_at: UnixTime,
}

/// A queue in memory, in place of a broker's.
struct Queue {
    messages: Mutex<VecDeque<Message>>,
    clock: Arc<dyn Clock>,
}

impl Queue {
    fn send(&self, token: String, order: u32) {
        let message = Message { token, order, enqueued_at: self.clock.now() };
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).push_back(message);
    }

    fn take(&self) -> Option<Message> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

/// Exports one order, if its caller was permitted to request that.
async fn export(queue: &QueueVerifier, message: &Message, requirement: &Requirement) -> Result<String, String> {
    let caller = match queue.verify(&message.token, message.enqueued_at).await {
        Ok(caller) => caller,
        // A worker of a real queue keeps the message if `error.is_unavailable()`, and moves it aside otherwise.
        Err(error) => return Err(error.code().to_owned()),
    };
    if !caller.meets(requirement) {
        return Err(format!("needs {requirement}"));
    }
    Ok(format!("exported for {}", caller.subject()))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let issuer = TestIssuer::new(); // its clock is moved by hand, so that hours pass at once
    let verifier: Verifier = issuer.verifier_for("exports");
    let clock = issuer.clock().clone().into_shared();
    let queue = Queue { messages: Mutex::default(), clock };
    let (requirement, max_age) = (scope("orders:export"), Duration::from_secs(3600));
    let worker = QueueVerifier::new(verifier.clone(), max_age)?;
    let token = |subject: &str, scope: &str| {
        issuer.token().subject(subject).audience("exports").scope(scope).lifetime(Duration::from_secs(300)).sign()
    };

    queue.send(token("ann", "orders:export"), 1);
    issuer.clock().advance(Duration::from_secs(50 * 60));
    let late = token("bob", "orders:export");
    queue.send(late.clone(), 2);
    queue.send(token("eve", "orders:read"), 3);
    issuer.clock().advance(Duration::from_secs(600));
    queue.send(late.clone(), 4); // the token had expired before it was sent
    issuer.clock().advance(Duration::from_secs(1));

    let mut results = Vec::new();
    while let Some(message) = queue.take() {
        let result = export(&worker, &message, &requirement).await;
        println!("order {}: {}", message.order, result.as_deref().unwrap_or_else(|refused| refused));
        results.push(result);
    }
    let refused = |reason: &str| Err(reason.to_owned());
    check(results[0] == refused("waited_too_long"), "an hour is the longest wait")?;
    check(results[1] == Ok("exported for bob".to_owned()), "it expired only while it waited")?;
    check(verifier.verify(&late).await.is_err_and(|error| error.code() == "expired"), "for a request it is expired")?;
    check(results[2] == refused("needs scope orders:export"), "reading is not exporting")?;
    check(results[3] == refused("expired"), "the queue's time counts, and it was expired then")
}

fn check(holds: bool, what: &str) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(format!("check failed: {what}").into()) }
}
