//! Shared signals by polling (RFC 8936): S14.11.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use countersign::outbound::{Outbound, StaticToken};
use countersign::receivers::{SignalPoller, SignalReceiver};
use countersign::revocation::{RevocationList, RevocationNotice, RevocationSink, SinkError, SinkFuture};
use countersign::secret::Secret;
use countersign_test::{TestIssuer, TokenDraft};
use countersign_tests::http::Service;
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

const HOUR: Duration = Duration::from_secs(3600);
const STREAM: &str = "https://shop.test/signals";
const REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
const TOKEN: &str = "hidden-value-for-the-transmitter";

/// A transmitter that sends each event until it is acknowledged or an error is reported.
#[derive(Clone, Default)]
struct Transmitter(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<Stream>,
    asked: Notify,
}

#[derive(Default)]
struct Stream {
    events: Vec<(String, String)>,
    /// The events of one response.
    at_once: usize,
    requests: Vec<Value>,
    acknowledged: Vec<String>,
    errors: Map<String, Value>,
    /// The next responses, instead of events.
    faults: Vec<Response>,
}

impl Transmitter {
    async fn start(at_once: usize) -> (Self, Service) {
        let transmitter = Transmitter::default();
        transmitter.stream(|stream| stream.at_once = at_once);
        let answer = |State(transmitter): State<Transmitter>, headers: HeaderMap, body: String| async move {
            transmitter.answer(&headers, &body)
        };
        let app = Router::new().route("/poll", post(answer)).with_state(transmitter.clone());
        (transmitter, Service::start(app).await)
    }

    fn stream<T>(&self, use_it: impl FnOnce(&mut Stream) -> T) -> T {
        use_it(&mut self.0.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn answer(&self, headers: &HeaderMap, body: &str) -> Response {
        let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if authorization != Some(&format!("Bearer {TOKEN}")) {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        let response = self.stream(|stream| {
            let request: Value = serde_json::from_str(body).expect("JSON");
            if let Some(fault) = stream.faults.pop() {
                return fault;
            }
            for id in request["ack"].as_array().into_iter().flatten() {
                stream.acknowledged.push(id.as_str().expect("text").to_owned());
            }
            for (id, error) in request["setErrs"].as_object().into_iter().flatten() {
                stream.errors.insert(id.clone(), error.clone());
            }
            let Stream { events, acknowledged, errors, .. } = stream;
            events.retain(|(id, _)| !acknowledged.contains(id) && !errors.contains_key(id));
            let sets: Map<String, Value> = stream
                .events
                .iter()
                .take(stream.at_once)
                .map(|(id, token)| (id.clone(), token.clone().into()))
                .collect();
            let more = stream.events.len() > sets.len();
            stream.requests.push(request);
            json!({ "sets": sets, "moreAvailable": more }).to_string().into_response()
        });
        self.0.asked.notify_one();
        response
    }

    fn add(&self, id: &str, draft: &TokenDraft) {
        self.stream(|stream| stream.events.push((id.to_owned(), draft.clone().sign())));
    }

    /// Waits until requests have made it so.
    async fn until(&self, is_so: impl Fn(&Stream) -> bool) {
        let wait = async {
            while !self.stream(|stream| is_so(stream)) {
                self.0.asked.notified().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait).await.expect("in time");
    }
}

fn event(issuer: &TestIssuer, id: &str, subject: &str) -> TokenDraft {
    let subject = json!({ "format": "iss_sub", "iss": issuer.name(), "sub": subject });
    let draft = issuer.token().audience(STREAM).header("typ", "secevent+jwt").claim("jti", id);
    let draft = draft.without_claim("exp").without_claim("sub").without_claim("client_id");
    draft.claim("sub_id", subject).claim("events", json!({ REVOKED: {} }))
}

fn outbound(transmitter: &Service) -> Outbound {
    let token = StaticToken::new(Secret::from(TOKEN));
    Outbound::builder(Default::default()).bind(transmitter.url(), token).build().expect("bound")
}

fn poll(receiver: &SignalReceiver, transmitter: &Service) -> SignalPoller {
    let endpoint = format!("{}/poll", transmitter.url());
    let poller = SignalPoller::builder(receiver, endpoint, outbound(transmitter));
    poller.interval(Duration::from_secs(1)).build().expect("sound")
}

#[tokio::test]
async fn s14_11_polled_events_revoke_are_acknowledged_and_errors_are_reported() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier_for("api");
    let list = Arc::new(RevocationList::new());
    let receiver = SignalReceiver::new(&verifier, STREAM, Arc::clone(&list), HOUR).expect("settings");
    let (transmitter, service) = Transmitter::start(2).await;
    let stranger = TestIssuer::new().with_name("https://stranger.test");
    for number in 0..5 {
        transmitter.add(&format!("good-{number}"), &event(&issuer, &format!("good-{number}"), &format!("u{number}")));
    }
    // Each is broken in one way, and its twin above is not.
    transmitter.add("type", &event(&issuer, "type", "x").header("typ", "JWT"));
    transmitter.add("audience", &event(&issuer, "audience", "x").claim("aud", "api"));
    transmitter.add("issuer", &event(&issuer, "issuer", "x").claim("iss", stranger.name()));
    transmitter.add("name", &event(&issuer, "another", "x"));
    transmitter.add("expiry", &event(&issuer, "expiry", "x").claim("exp", 9_999_999_999_u64));
    let poller = poll(&receiver, &service);
    transmitter.until(|stream| stream.events.is_empty()).await;

    let (mut acknowledged, errors, first) =
        transmitter.stream(|stream| (stream.acknowledged.clone(), stream.errors.clone(), stream.requests[0].clone()));
    acknowledged.sort();
    assert_eq!(acknowledged, ["good-0", "good-1", "good-2", "good-3", "good-4"]);
    let error = |id: &str| errors[id]["err"].as_str().expect("a code").to_owned();
    assert_eq!((error("audience"), error("issuer")), ("invalid_audience".to_owned(), "invalid_issuer".to_owned()));
    for id in ["type", "name", "expiry"] {
        assert_eq!(error(id), "invalid_request", "{id}");
    }
    assert_eq!(errors.len(), 5);
    assert_eq!(
        (first["returnImmediately"].as_bool(), first.get("ack"), first.get("setErrs")),
        (Some(true), None, None)
    );
    assert_eq!((poller.taken(), poller.refused(), poller.last_error(), list.len()), (5, 5, None, 5));
    let shown = format!("{poller:?}");
    assert!(!shown.contains(TOKEN), "{shown}");
}

/// A sink that is away for a while.
#[derive(Debug, Default)]
struct Sink {
    left: Mutex<usize>,
    notices: Mutex<usize>,
}

impl RevocationSink for Sink {
    fn revoke(&self, _: RevocationNotice) -> SinkFuture {
        let mut left = self.left.lock().expect("sound");
        let outcome = match left.checked_sub(1) {
            Some(fewer) => {
                *left = fewer;
                Err(SinkError::Unavailable("away".to_owned()))
            }
            None => {
                *self.notices.lock().expect("sound") += 1;
                Ok(())
            }
        };
        Box::pin(std::future::ready(outcome))
    }
}

#[tokio::test]
async fn s14_11_nothing_is_acknowledged_before_the_sink_has_it_and_a_repeated_event_is_acknowledged_again() {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier_for("api");
    let sink = Arc::new(Sink { left: Mutex::new(1), ..Sink::default() });
    let receiver = SignalReceiver::new(&verifier, STREAM, Arc::clone(&sink), HOUR).expect("settings");
    let (transmitter, service) = Transmitter::start(10).await;
    transmitter.add("one", &event(&issuer, "one", "u1"));
    let poller = poll(&receiver, &service);
    transmitter.until(|stream| stream.requests.len() == 2).await;
    assert_eq!(transmitter.stream(|stream| stream.requests[1].get("ack").cloned()), None, "the sink was away");
    transmitter.until(|stream| stream.acknowledged == ["one"]).await;

    // The transmitter lost the acknowledgement: it sends the event again, and the sink gets no second notice.
    transmitter.stream(|stream| stream.acknowledged.clear());
    transmitter.add("one", &event(&issuer, "one", "u1"));
    transmitter.until(|stream| stream.acknowledged == ["one"]).await;
    assert_eq!((*sink.notices.lock().expect("sound"), poller.taken(), poller.refused()), (1, 1, 0));
}

#[tokio::test]
async fn s14_11_polls_go_on_after_faults_of_the_transmitter() {
    type Fault = fn() -> Response;
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier_for("api");
    let list = Arc::new(RevocationList::new());
    let receiver = SignalReceiver::new(&verifier, STREAM, Arc::clone(&list), HOUR).expect("settings");
    let faults: [(&str, Fault); 4] = [
        ("status 503", || StatusCode::SERVICE_UNAVAILABLE.into_response()),
        ("status 400", || StatusCode::BAD_REQUEST.into_response()),
        ("not one of RFC 8936", || "[]".into_response()),
        ("longer than 1 MiB", || vec![b' '; (1 << 20) + 1].into_response()),
    ];
    let each = faults.map(|(problem, fault)| {
        let (receiver, issuer, list) = (receiver.clone(), &issuer, Arc::clone(&list));
        async move {
            let (transmitter, service) = Transmitter::start(10).await;
            transmitter.add(problem, &event(issuer, problem, problem));
            transmitter.stream(|stream| stream.faults.push(fault()));
            let poller = poll(&receiver, &service);
            let failed = async {
                while poller.last_error().is_none() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(20), failed).await.expect("in time");
            assert!(poller.last_error().is_some_and(|error| error.contains(problem)), "{:?}", poller.last_error());
            transmitter.until(|stream| stream.acknowledged == [problem]).await;
            assert!(!list.is_empty());
        }
    });
    let [first, second, third, fourth] = each;
    tokio::join!(first, second, third, fourth);
    assert_eq!(list.len(), 4);
}

#[tokio::test]
async fn s14_11_a_poller_needs_a_safe_address_and_a_bound_interval() {
    let issuer = TestIssuer::new();
    let list = Arc::new(RevocationList::new());
    let receiver = SignalReceiver::new(&issuer.verifier_for("api"), STREAM, list, HOUR).expect("settings");
    let outbound = || Outbound::builder(Default::default()).build().expect("nothing bound");
    let refused = |endpoint: &str, seconds: u64| {
        let poller = SignalPoller::builder(&receiver, endpoint, outbound()).interval(Duration::from_secs(seconds));
        poller.build().expect_err("refused").faults()[0].field.to_string()
    };
    assert_eq!(refused("http://id.example.com/poll", 2), "endpoint");
    assert_eq!(refused("https://id.example.com/poll", 0), "interval");
    assert_eq!(refused("https://id.example.com/poll", 61), "interval");
    // An origin without a token source gets no request.
    let (transmitter, service) = Transmitter::start(10).await;
    let poller = SignalPoller::builder(&receiver, format!("{}/poll", service.url()), outbound());
    let poller = poller.build().expect("sound");
    let failed = async {
        while poller.last_error().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), failed).await.expect("in time");
    assert!(transmitter.stream(|stream| stream.requests.is_empty()), "{:?}", poller.last_error());
}
