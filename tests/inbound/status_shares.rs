//! Lists of one issuer share the room for them: those in use stay, and what tokens name causes few fetches. S14.08, S15.01.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use countersign::authz::Authorities;
use countersign::prelude::*;
use countersign::status::{StatusList, StatusListIssuer, StatusLists};
use countersign_test::TestIssuer;
use countersign_tests::http::Service;
use countersign_tests::repeats;
use serde_json::json;

use crate::app::{good, who};
use crate::status_lists::{Host, Published, draft};

/// The first fetches per second that one client or tenant of an issuer causes.
const OF_PARTY: usize = 16;

struct Shared {
    issuer: TestIssuer,
    host: Host,
    base: String,
    lists: Arc<StatusLists>,
    service: Service,
    _lists_service: Service,
}

impl Shared {
    /// A service whose issuer names tenants in the claim `org`.
    async fn start(max_lists: usize) -> Self {
        let (issuer, host) = (TestIssuer::new(), Host::default());
        let (lists_service, base) = host.start().await;
        let trusted = issuer.trusted_for("api").authorities(Authorities::new().tenant_at("/org"));
        let verifier = Verifier::builder().trust(trusted).clock(Arc::new(issuer.clock().clone()));
        let verifier = verifier.build().expect("a verifier");
        let of_issuer = StatusListIssuer::new(issuer.name()).location(&base);
        let lists = Arc::new(StatusLists::new(&verifier).add_issuer(of_issuer).max_lists(max_lists));
        let layer = AuthenticateLayer::builder(verifier).revocation(Arc::clone(&lists)).build().expect("a layer");
        let service = Service::start(Router::new().route("/", get(who)).layer(layer)).await;
        Shared { issuer, host, base, lists, service, _lists_service: lists_service }
    }

    fn publish(&self, name: &str) {
        let list = StatusList::new(1, 64).expect("a size");
        let token = draft(&self.issuer, &format!("{}{name}", self.base), &list).sign();
        self.host.publish(&format!("lists/{name}"), Published::List(token));
    }

    /// The status of the response to a token of this client and tenant that names a list.
    async fn ask(&self, client: &str, tenant: Option<&str>, list: &str) -> u16 {
        let place = json!({ "status_list": { "idx": 1, "uri": format!("{}{list}", self.base) } });
        let token = good(&self.issuer).claim("client_id", client).claim("status", place);
        let token = if let Some(tenant) = tenant { token.claim("org", tenant) } else { token };
        self.service.get("/", &token.sign()).await.status
    }
}

#[tokio::test]
async fn s15_01_ten_thousand_addresses_of_one_client_cause_few_fetches_and_leave_room_for_others() {
    let shared = Shared::start(64).await;
    ["in-use", "new", "third"].iter().for_each(|name| shared.publish(name));
    assert_eq!(shared.ask("web", None, "in-use").await, 200);
    let hostile = repeats(200, 5_000);
    for second in 0..2 {
        let before = shared.host.all_fetches();
        for number in 0..hostile {
            assert_eq!(shared.ask("hostile", None, &format!("{second}-{number}")).await, 503);
        }
        let caused = shared.host.all_fetches() - before;
        // Those of the second before are retried once, with a pause that grows.
        let most = OF_PARTY * (1 + second);
        assert!((OF_PARTY..=most).contains(&caused), "{caused} fetches of {hostile} addresses");
        assert_eq!(shared.ask("web", None, "in-use").await, 200);
        let other = ["new", "third"][second];
        assert_eq!(shared.ask("shop", None, other).await, 200, "a new list of another client finds room");
        assert!(shared.lists.stats().lists <= OF_PARTY + 3, "{:?}", shared.lists.stats());
        shared.issuer.clock().advance(Duration::from_secs(1));
    }
    assert_eq!(shared.host.fetches("lists/in-use"), 1, "it was not removed");
}

#[tokio::test]
async fn s15_01_many_clients_together_cause_no_more_fetches_than_their_issuer_may() {
    let shared = Shared::start(64).await;
    shared.publish("in-use");
    assert_eq!(shared.ask("web", None, "in-use").await, 200);
    for number in 0..repeats(60, 500) {
        shared.ask(&format!("c{number}"), None, &format!("x{number}")).await;
    }
    let caused = shared.host.all_fetches() - 1;
    assert!((16..=32).contains(&caused), "{caused}");
    assert_eq!(shared.ask("web", None, "in-use").await, 200);
}

#[tokio::test]
async fn s15_01_a_tenant_takes_half_of_the_lists_at_most() {
    let shared = Shared::start(8).await;
    let names: Vec<String> =
        ["a", "b"].iter().flat_map(|of| (0..8).map(move |number| format!("{of}{number}"))).collect();
    names.iter().for_each(|name| shared.publish(name));
    let mut statuses = Vec::new();
    for name in &names {
        statuses.push(shared.ask("web", Some(&name[..1]), name).await);
    }
    assert_eq!(statuses[..8], [200, 200, 200, 200, 503, 503, 503, 503], "half");
    assert_eq!(statuses[8..], [200, 200, 503, 503, 503, 503, 503, 503], "half of the rest");
    assert_eq!(shared.ask("web", Some("a"), "a0").await, 200, "those in use stay");
    // Lists that nobody asks for make room, though they are not too old yet.
    shared.issuer.clock().advance(Duration::from_secs(70));
    assert_eq!(shared.ask("web", Some("a"), "a7").await, 200);
}
