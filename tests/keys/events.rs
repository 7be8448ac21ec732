//! Events and counts of key sources: fetches, changes, failures, recovery.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::sync::{Arc, Once};
use std::time::Duration;

use countersign::health::Health;
use countersign::issuers::{ResolvePolicy, ResolvedIssuers};
use countersign::key::{KeySet, KeySource, KeyStats};
use countersign::keys::RemoteKeys;
use countersign::policy::NeedsAudience;
use countersign::verify::Verifier;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::server::{answer, ok};
use crate::world::{World, policy, until};

thread_local! {
    static EVENTS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// The events of key sources on this thread, one line each.
///
/// The subscriber is global: a thread-local one can miss events whose callsite another thread registered first.
pub struct Events;

impl Events {
    pub fn of_this_thread() -> Self {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| {
            tracing::subscriber::set_global_default(tracing_subscriber::registry().with(ToThread))
                .expect("the only one");
        });
        EVENTS.set(Some(Vec::new()));
        Events
    }

    pub fn take(&self) -> Vec<String> {
        EVENTS.with_borrow_mut(|logged| logged.as_mut().map(std::mem::take).unwrap_or_default())
    }
}

/// Passes each event to the listener of the current thread, if it has one.
struct ToThread;

impl<S: tracing::Subscriber> Layer<S> for ToThread {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if matches!(event.metadata().target(), "countersign::keys" | "countersign::issuers") {
            let mut line = Line(event.metadata().level().to_string());
            event.record(&mut line);
            EVENTS.with_borrow_mut(|logged| {
                logged.iter_mut().for_each(|logged| logged.push(std::mem::take(&mut line.0)))
            });
        }
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.0, " {value:?}");
        } else if field.name() != "source" {
            let _ = write!(self.0, " {}={value:?}", field.name());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

fn thumbprints(world: &World) -> Vec<String> {
    let set = KeySet::from_jwks(world.issuer.jwks().as_bytes()).expect("a set");
    set.keys().map(|key| key.thumbprint().to_owned()).collect() // the signing one first
}

fn counted(world: &World) -> (u64, u64, u64, u64) {
    let KeyStats { fetched, failed, forced, suppressed, .. } = world.keys.describe().stats;
    (fetched, failed, forced, suppressed)
}

#[tokio::test]
async fn s10_12_each_change_of_a_key_source_is_logged_once() {
    let events = Events::of_this_thread();
    let world = World::honest().await;
    let first = thumbprints(&world).remove(0);
    assert_eq!(world.keys.describe().stats, KeyStats::default());

    assert_eq!(world.verdict(&world.token()).await, "ok");
    assert_eq!(events.take(), [format!("INFO keys fetched forced=true keys=1 added={first} removed= unlogged=0")]);
    assert_eq!(counted(&world), (1, 0, 1, 0));

    world.issuer.rotate();
    let second = thumbprints(&world).remove(0);
    assert_eq!(world.verdict(&world.token()).await, "ok");
    assert_eq!(events.take(), [format!("INFO keys fetched forced=true keys=2 added={second} removed= unlogged=0")]);

    assert_eq!(world.verdict(&world.with_unknown_key(1)).await, "keys_unavailable");
    assert_eq!(events.take(), ["DEBUG key refresh skipped: cool-down active"]);
    assert_eq!(counted(&world), (2, 0, 2, 1));

    world.issuer.withdraw_old_keys();
    world.advance(Duration::from_secs(481)).await;
    until("the set is there", || world.keys.describe().stats.fetched == 3).await;
    assert_eq!(events.take(), [format!("INFO keys fetched forced=false keys=1 added= removed={first} unlogged=0")]);

    world.server.now(|_, _| answer(503, &[], ""));
    world.advance(Duration::from_secs(482)).await; // timers are a millisecond late
    until("it failed", || world.keys.describe().stats.failed >= 1).await;
    let logged = events.take();
    assert_eq!(logged.len() as u64, world.keys.describe().stats.failed, "{logged:?}");
    let age = logged[0].strip_prefix("WARN key fetch failed forced=false error=status 503 age=");
    let age = age.and_then(|rest| rest.strip_suffix(" unlogged=0"));
    assert!(age.and_then(|age| age.parse().ok()).is_some_and(|age: u64| (480..=483).contains(&age)), "{logged:?}");
    assert!(!world.keys.describe().stats.is_stale, "still within its lifetime");
    world.advance(Duration::from_secs(200)).await;
    let stats = world.keys.describe().stats;
    assert!(stats.is_stale && stats.age.is_some_and(|age| age >= Duration::from_secs(600)), "{stats:?}");
    assert_eq!(Health::new(&world.verifier).stats(), [(world.server.url.clone(), stats)]);
    let logged = events.take();
    assert!(logged.iter().all(|line| line.starts_with("WARN key fetch failed ")), "{logged:?}");

    world.recover();
    world.advance(Duration::from_secs(61)).await;
    until("it recovered", || world.keys.describe().stats.fetched == 4).await;
    let logged = events.take();
    assert_eq!(logged.last().map(String::as_str), Some("DEBUG keys fetched, unchanged forced=false keys=1"));
    assert!(!world.keys.describe().stats.is_stale);

    // Alarms: a symmetric entry, a private one, and a set without a usable key.
    let mut set: serde_json::Value = serde_json::from_str(&world.issuer.jwks()).expect("JSON");
    let mut private = set["keys"][0].clone();
    private["kid"] = "private".into();
    private["d"] = "AAAA".into();
    let oct = serde_json::json!({"kty": "oct", "kid": "k9", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"});
    let extra = another_key();
    set["keys"].as_array_mut().expect("a list").extend([oct, private, extra]);
    world.server.now(move |_, _| ok(set.to_string()));
    world.advance(Duration::from_secs(11)).await;
    assert_eq!(world.verdict(&world.with_unknown_key(2)).await, "unknown_key");
    let logged = events.take();
    assert!(logged[0].starts_with("INFO keys fetched forced=true keys=2 added="), "{logged:?}");
    let problem = "private or symmetric material in a public set; the key is compromised";
    let entries = format!("k9: {problem}; private: {problem}");
    assert_eq!(
        logged[1],
        format!("ERROR published keys are private: replace them now count=2 entries={entries} unlogged=0")
    );
    assert_eq!(logged.len(), 2, "{logged:?}");

    // A set of many odd entries is one record.
    let mut set: serde_json::Value = serde_json::from_str(&world.issuer.jwks()).expect("JSON");
    let odd = (0..100).map(|number| serde_json::json!({"kty": "XYZ", "kid": format!("odd\n{number}")}));
    set["keys"].as_array_mut().expect("a list").extend(odd);
    world.server.now(move |_, _| ok(set.to_string()));
    world.advance(Duration::from_secs(11)).await;
    assert_eq!(world.verdict(&world.with_unknown_key(4)).await, "unknown_key");
    let logged = events.take();
    assert_eq!(logged.len(), 2, "{logged:?}");
    let start =
        "WARN key set entries not used count=100 entries=\"odd\\n0\": kty is not RSA, EC, OKP or AKP; \"odd\\n1\": ";
    assert!(logged[1].starts_with(start) && logged[1].contains("; and 92 more unlogged="), "{logged:?}");

    world.server.now(|_, _| ok(r#"{"keys":[]}"#));
    world.advance(Duration::from_secs(11)).await;
    assert_eq!(world.verdict(&world.with_unknown_key(3)).await, "keys_unavailable");
    let logged = events.take();
    assert!(
        logged[0].starts_with("WARN key fetch failed forced=true error=the issuer states that it has no keys"),
        "{logged:?}"
    );
    assert_eq!(logged[1], "ERROR issuer withdrew all its keys: tokens will be refused used_for=45 unlogged=0");
    assert_eq!(logged.len(), 2, "{logged:?}");
}

/// S10.09: untrusted clients decide which resolved issuers are looked up, and how often.
#[tokio::test]
async fn s10_09_events_of_resolved_issuers_and_their_keys_are_sampled() {
    let events = Events::of_this_thread();
    let world = World::honest().await;
    let issuers = ResolvedIssuers::new(|name: String| async move {
        let keys = RemoteKeys::from_url(format!("{name}/jwks")).refresh_policy(policy());
        Ok(Some(NeedsAudience::new(name, Arc::new(keys)).audience("orders")))
    });
    let issuers = issuers.danger_allow_private_addresses();
    let issuers = Arc::new(issuers.resolve_policy(ResolvePolicy::default().max_lookups_per_second(1_000)));
    let clock = Arc::new(world.issuer.clock().clone());
    let verifier = Verifier::builder().trust_resolved(issuers.clone()).clock(clock).build().expect("good");
    let mut verified = 0;
    for number in 0..60 {
        let name = format!("{}/t{number}", world.server.url);
        let token = world.issuer.clone().with_name(&name).token().audience("orders").sign();
        verified += usize::from(verifier.verify(&token).await.is_ok());
    }
    assert!(verified >= 20, "{verified}");
    let logged = events.take();
    for event in ["issuer resolved", "keys fetched"] {
        let count = logged.iter().filter(|line| line.contains(event)).count();
        assert!(count <= 10, "{count}: {event}");
    }
}

#[tokio::test]
async fn s10_09_an_event_lists_a_few_keys_of_a_large_set() {
    let events = Events::of_this_thread();
    let world = World::honest().await;
    (0..19).for_each(|_| world.issuer.rotate());
    assert_eq!(world.verdict(&world.token()).await, "ok");
    let logged = events.take();
    let [line] = &logged[..] else { panic!("{logged:?}") };
    assert!(line.starts_with("INFO keys fetched forced=true keys=20 added="), "{line}");
    assert!(line.ends_with(" and 12 more removed= unlogged=0") && line.len() < 500, "{line}");
}

/// The public key of another issuer, so that the set counts as changed.
fn another_key() -> serde_json::Value {
    let set: serde_json::Value = serde_json::from_str(&countersign_test::TestIssuer::new().jwks()).expect("JSON");
    let mut key = set["keys"][0].clone();
    key["kid"] = "another".into();
    key
}
