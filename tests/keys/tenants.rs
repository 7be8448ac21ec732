//! Issuers resolved at run time: trust, bounds on untrusted clients, and private addresses of keys.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign::authz::Authorities;
use countersign::connection::ConnectionSettings;
use countersign::issuers::{ResolvePolicy, ResolvedIssuers, oidc};
use countersign::key::{KeyHealth, KeySource};
use countersign::keys::RemoteKeys;
use countersign::policy::{NeedsAudience, TrustedIssuer};
use countersign::verify::Verifier;
use countersign_core::integration::Step;
use countersign_test::TestIssuer;

use crate::causes::authority;
use crate::server::{Reply, Server, answer, ok};
use crate::world::{World, policy, until};

/// The database of the resolver: known names, number of lookups, and availability.
#[derive(Default)]
struct Database {
    tenants: Mutex<HashMap<String, TrustedIssuer>>,
    asked: AtomicUsize,
    is_down: Mutex<bool>,
}

impl Database {
    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn go_down(&self, down: bool) {
        *self.is_down.lock().expect("sound") = down;
    }

    fn put(&self, issuer: TrustedIssuer) {
        self.tenants.lock().expect("sound").insert(issuer.issuer().to_owned(), issuer);
    }

    fn remove(&self, name: &str) {
        self.tenants.lock().expect("sound").remove(name);
    }

    fn issuers(self: &Arc<Self>) -> ResolvedIssuers {
        let database = Arc::clone(self);
        ResolvedIssuers::new(move |name: String| {
            let database = Arc::clone(&database);
            async move {
                database.asked.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                if *database.is_down.lock().expect("sound") {
                    return Err("the database is down".into());
                }
                Ok(database.tenants.lock().expect("sound").get(&name).cloned())
            }
        })
    }
}

/// A world whose verifier starts without issuers; `t0` to `t2` of its server are in the database.
struct Tenants {
    world: World,
    database: Arc<Database>,
    issuers: Arc<ResolvedIssuers>,
    verifier: Verifier,
}

impl Tenants {
    async fn with(change: impl FnOnce(ResolvedIssuers) -> ResolvedIssuers) -> Self {
        let world = World::honest().await;
        let clock = Arc::new(world.issuer.clock().clone());
        let database = Arc::<Database>::default();
        let issuers = database.issuers().danger_allow_private_addresses();
        let issuers = Arc::new(change(issuers));
        let verifier = Verifier::builder().trust_resolved(issuers.clone()).clock(clock).build().expect("good");
        let tenants = Tenants { world, database, issuers, verifier };
        (0..3).for_each(|number| tenants.database.put(tenants.tenant(number)));
        tenants
    }

    async fn new() -> Self {
        Self::with(|issuers| issuers).await
    }

    fn name(&self, number: usize) -> String {
        format!("{}/t{number}", self.world.server.url)
    }

    fn tenant(&self, number: usize) -> TrustedIssuer {
        let keys = RemoteKeys::from_url(format!("{}/t{number}/jwks", self.world.server.url));
        let keys = keys.refresh_policy(policy());
        NeedsAudience::new(self.name(number), Arc::new(keys)).audience("orders")
    }

    fn token_of(&self, name: &str) -> String {
        let issuer = self.world.issuer.clone().with_name(name);
        issuer.token().audience("orders").lifetime(Duration::from_secs(7 * 86_400)).sign()
    }

    fn token(&self, number: usize) -> String {
        self.token_of(&self.name(number))
    }

    async fn verdict(&self, token: &str) -> &'static str {
        self.verifier.verify(token).await.map_or_else(|error| error.code(), |_| "ok")
    }

    fn fetches(&self, number: usize) -> usize {
        let path = format!("get /t{number}/jwks ");
        self.world.server.heads().iter().filter(|head| head.starts_with(&path)).count()
    }
}

#[tokio::test]
async fn only_issuers_that_the_resolver_knows_are_trusted() {
    let tenants = Tenants::new().await;
    for _ in 0..3 {
        assert_eq!(tenants.verdict(&tenants.token(0)).await, "ok");
        assert_eq!(tenants.verdict(&tenants.token(1)).await, "ok");
        assert_eq!(tenants.verdict(&tenants.token(9)).await, "unknown_issuer");
    }
    assert_eq!(tenants.database.asked(), 3, "two known names, and one cached refusal");
    assert_eq!((tenants.fetches(0), tenants.fetches(1), tenants.fetches(9)), (1, 1, 0));
    assert_eq!(tenants.issuers.report().len(), 2);

    // Keys of one tenant do not verify tokens of another.
    let other = TestIssuer::new().with_name(tenants.name(0));
    assert_eq!(tenants.verdict(&other.token().audience("orders").sign()).await, "bad_signature");
    let elsewhere = tenants.world.issuer.clone().with_name(tenants.name(0)).token().audience("billing").sign();
    assert_eq!(tenants.verdict(&elsewhere).await, "wrong_audience");

    // A refusal expires.
    tenants.database.put(tenants.tenant(9));
    tenants.world.advance(Duration::from_secs(61)).await;
    assert_eq!(tenants.verdict(&tenants.token(9)).await, "ok");
}

#[tokio::test]
async fn a_tenant_that_is_asked_for_before_it_is_registered_is_trusted_soon_after() {
    let tenants = Tenants::new().await;
    assert_eq!(tenants.verdict(&tenants.token(9)).await, "unknown_issuer");
    tenants.database.put(tenants.tenant(9));
    assert_eq!(tenants.verdict(&tenants.token(9)).await, "unknown_issuer", "the refusal is cached");
    tenants.world.advance(Duration::from_secs(6)).await;
    assert_eq!(tenants.verdict(&tenants.token(9)).await, "ok");

    // A name that stays unknown is looked up ever more seldom, and at once after `forget`.
    let asked = tenants.database.asked();
    for _ in 0..180 {
        assert_eq!(tenants.verdict(&tenants.token(8)).await, "unknown_issuer");
        tenants.world.advance(Duration::from_secs(1)).await;
    }
    assert_eq!(tenants.database.asked() - asked, 6, "after 5, 10, 20, 40 and 60 s");
    tenants.database.put(tenants.tenant(8));
    assert_eq!(tenants.verdict(&tenants.token(8)).await, "unknown_issuer");
    tenants.issuers.forget(&tenants.name(8));
    assert_eq!(tenants.verdict(&tenants.token(8)).await, "ok");
}

#[tokio::test]
async fn s4_17_a_thousand_first_requests_cause_one_lookup_and_one_fetch() {
    let tenants = Tenants::new().await;
    let token = tenants.token(0);
    let asking: Vec<_> = (0..1000)
        .map(|_| {
            let (verifier, token) = (tenants.verifier.clone(), token.clone());
            tokio::spawn(async move { verifier.verify(&token).await.map(|_| ()).map_err(|error| error.code()) })
        })
        .collect();
    asking[0].abort();
    for verdict in asking.into_iter().skip(1) {
        assert_eq!(verdict.await.expect("no panic"), Ok(()));
    }
    assert_eq!((tenants.database.asked(), tenants.fetches(0)), (1, 1));
}

#[tokio::test]
async fn s4_15_s11_04_a_flood_of_names_causes_few_lookups_and_spares_known_issuers() {
    let tenants = Tenants::new().await;
    let good = tenants.token(0);
    assert_eq!(tenants.verdict(&good).await, "ok");
    tenants.world.advance(Duration::from_secs(1)).await;
    let before = tenants.database.asked();
    let mut codes = HashMap::<_, usize>::new();
    for number in 100..1100 {
        *codes.entry(tenants.verdict(&tenants.token(number)).await).or_default() += 1;
    }
    let looked_up = tenants.database.asked() - before;
    assert!((5..=10).contains(&looked_up), "names of one host, each asked for once: {looked_up}");
    let expected = HashMap::from([("unknown_issuer", looked_up), ("keys_unavailable", 1000 - looked_up)]);
    assert_eq!(codes, expected, "no lookup, so 503");
    assert_eq!(tenants.verdict(&good).await, "ok");
    assert_eq!(tenants.verdict(&tenants.token(1)).await, "keys_unavailable", "one among many new names of its host");
    assert_eq!(tenants.verdict(&tenants.token(1)).await, "ok", "a name that is asked for twice has its own share");
    assert_eq!(tenants.world.server.count(), 2, "only their keys were fetched");
}

#[tokio::test]
async fn filtered_names_cause_no_lookup_and_a_passing_name_is_not_yet_trusted() {
    let tenants =
        Tenants::with(|issuers| issuers.name_filter(|name| name.ends_with("/t0") || name.ends_with("/t7"))).await;
    for number in 100..200 {
        assert_eq!(tenants.verdict(&tenants.token(number)).await, "unknown_issuer");
    }
    assert_eq!(tenants.database.asked(), 0);
    assert_eq!(tenants.verdict(&tenants.token(0)).await, "ok");
    assert_eq!(tenants.verdict(&tenants.token(7)).await, "unknown_issuer", "passes the filter, but is unknown");
}

/// CVE-2026-32301: a URL built from unverified claims.
#[tokio::test]
async fn s4_23_ambiguous_names_are_refused() {
    let tenants = Tenants::with(|issuers| issuers.name_filter(|_| true)).await;
    let base = tenants.world.server.url.clone();
    for name in [
        format!("{base}/x/../../evil"),
        format!("{base}/t0/../t0"),
        format!("{base}/%2e%2e/t0"),
        format!("{base}/%2E%2E"),
        format!("{base}/t0?x=1"),
        format!("{base}#/t0"),
        "evil.com#".to_owned(),
        "https://evil.com#.id.example".to_owned(),
        "https://id.example@evil.com/t0".to_owned(),
        format!("{base}\\@evil.com"),
        "file:///etc/passwd".to_owned(),
        "http://10.0.0.1/t0".to_owned(),
        format!("{base}/{}", "a".repeat(5000)),
        String::new(),
    ] {
        tenants.database.put(tenants.tenant(0)); // although the database knows it
        assert_eq!(tenants.verdict(&tenants.token_of(&name)).await, "unknown_issuer", "{name}");
    }
    assert_eq!((tenants.database.asked(), tenants.world.server.count()), (0, 0));
}

#[tokio::test]
async fn an_answer_with_another_name_is_refused() {
    let world = World::honest().await;
    let clock = Arc::new(world.issuer.clock().clone());
    let own = format!("{}/own", world.server.url);
    let (other, source) = (own.clone(), world.issuer.key_source());
    let issuers = ResolvedIssuers::new(move |_| {
        let trusted = NeedsAudience::new(other.clone(), source.clone()).audience("orders");
        async move { Ok(Some(trusted)) }
    });
    let issuers = Arc::new(issuers.danger_allow_private_addresses());
    let verifier = Verifier::builder().trust_resolved(issuers).clock(clock).build().expect("good");
    let token = |name: &str| world.issuer.clone().with_name(name).token().audience("orders").sign();
    for name in [format!("{}/owns", world.server.url), format!("{}/ow", world.server.url), format!("{own}/")] {
        assert_eq!(verifier.verify(&token(&name)).await.expect_err("another").code(), "unknown_issuer", "{name}");
    }
    assert!(verifier.verify(&token(&own)).await.is_ok());
}

#[tokio::test]
async fn while_the_resolver_is_down_known_issuers_stay_trusted_for_a_time_and_others_get_503() {
    let tenants =
        Tenants::with(|issuers| issuers.resolve_policy(ResolvePolicy::default().stale_for(Duration::from_secs(600))))
            .await;
    let good = tenants.token(0);
    assert_eq!(tenants.verdict(&good).await, "ok");
    tenants.database.go_down(true);
    let other = tenants.token(1);
    assert_eq!(tenants.verdict(&other).await, "keys_unavailable");
    for _ in 0..800 {
        tenants.world.advance(Duration::from_secs(1)).await; // fresh for 300 s, then stale for 600
        assert_eq!(tenants.verdict(&good).await, "ok");
    }
    assert_eq!(tenants.verdict(&other).await, "keys_unavailable");
    tenants.world.advance(Duration::from_secs(200)).await;
    assert_eq!(tenants.verdict(&good).await, "keys_unavailable", "even from the cache");
    tenants.database.go_down(false);
    tenants.world.advance(Duration::from_secs(61)).await;
    assert_eq!(tenants.verdict(&good).await, "ok");
    assert_eq!(tenants.verdict(&other).await, "ok");
}

#[tokio::test]
async fn s4_08_tokens_of_a_deleted_or_forgotten_issuer_are_refused_even_if_cached() {
    let tenants = Tenants::new().await;
    let (deleted, forgotten, unchanged) = (tenants.token(0), tenants.token(1), tenants.token(2));
    for token in [&deleted, &forgotten, &unchanged] {
        assert_eq!(tenants.verdict(token).await, "ok");
        assert_eq!(tenants.verdict(token).await, "ok");
    }
    assert_eq!(tenants.verifier.stats().from_cache, 3);
    tenants.database.remove(&tenants.name(0));
    tenants.database.remove(&tenants.name(1));
    assert_eq!(tenants.verdict(&deleted).await, "ok", "until the next lookup");
    tenants.issuers.forget(&tenants.name(1));
    assert_eq!(tenants.verdict(&forgotten).await, "unknown_issuer", "at once");
    for _ in 0..301 {
        tenants.world.advance(Duration::from_secs(1)).await;
        let _ = tenants.verdict(&deleted).await;
        assert_eq!(tenants.verdict(&unchanged).await, "ok");
    }
    assert_eq!(tenants.verdict(&deleted).await, "unknown_issuer");
    assert_eq!(tenants.fetches(2), 1, "an unchanged answer keeps the keys");
    let asked = tenants.database.asked();
    // Refreshed after 216 to 264 s: the process draws it.
    assert!(asked <= 3 + 1 + 2 + 4, "one refresh each, and lookups after refusals of 5, 10, 20 and 40 s: {asked}");
}

#[tokio::test]
async fn changed_rules_apply_to_cached_tokens() {
    let tenants = Tenants::new().await;
    let token = tenants.token(0);
    assert_eq!(tenants.verdict(&token).await, "ok");
    tenants.database.put(tenants.tenant(0).required_claim("tid"));
    for _ in 0..301 {
        tenants.world.advance(Duration::from_secs(1)).await;
        let _ = tenants.verdict(&token).await;
    }
    assert_eq!(tenants.verdict(&token).await, "missing_claim");
}

#[tokio::test]
async fn s4_08_changed_connections_and_times_of_a_tenants_keys_apply_although_it_is_cached() {
    let tenants = Tenants::new().await;
    let keys = || RemoteKeys::from_url(format!("{}/t0/jwks", tenants.world.server.url)).refresh_policy(policy());
    let roots = |pem: &str| keys().connection(ConnectionSettings::new().add_roots(pem).only_added_roots());
    let (one, other) = (authority().pem(), authority().pem());
    let versions = [
        keys(),
        roots(&one),
        roots(&other),
        keys().connection(ConnectionSettings::new().add_roots(&other)),
        keys().connection(ConnectionSettings::new().proxy("http://ann:s3cret-value@127.0.0.1:9")),
        keys().connection(ConnectionSettings::new().proxy("http://ann:another-value@127.0.0.1:9")),
        keys().connection(ConnectionSettings::new().without_proxy()),
        keys().refresh_policy(policy().stale_for(Duration::from_secs(60))),
    ];
    let token = tenants.token(0);
    for (number, keys) in versions.into_iter().enumerate() {
        assert!(!format!("{:?}", keys.describe()).contains("-value"), "nothing secret is shown");
        let trusted = |keys| NeedsAudience::new(tenants.name(0), keys).audience("orders");
        let shared = Arc::new(keys);
        tenants.database.put(trusted(shared.clone()));
        for _ in 0..302 {
            let _ = tenants.verdict(&token).await;
            tenants.world.advance(Duration::from_secs(1)).await;
        }
        assert_eq!(tenants.verdict(&token).await, "ok");
        assert!(shared.snapshot().is_some(), "the keys of version {number} are in use");
    }
}

#[tokio::test]
async fn s11_04_the_issuer_cache_is_bounded_and_drops_the_least_recently_used() {
    let tenants = Tenants::with(|issuers| issuers.resolve_policy(ResolvePolicy::default().max_issuers(2))).await;
    for number in [0, 1, 0, 2, 0] {
        assert_eq!(tenants.verdict(&tenants.token(number)).await, "ok");
        assert!(tenants.issuers.report().len() <= 2);
        tenants.world.advance(Duration::from_secs(1)).await;
    }
    assert_eq!(tenants.database.asked(), 3, "0 stayed cached");
    assert_eq!(tenants.verdict(&tenants.token(1)).await, "ok");
    assert_eq!(tenants.database.asked(), 4, "1 was dropped and looked up again");
}

#[tokio::test]
async fn s15_03_new_issuers_do_not_displace_each_other_before_their_first_token() {
    let tenants = Tenants::with(|issuers| issuers.resolve_policy(ResolvePolicy::default().max_issuers(4))).await;
    (0..9).for_each(|number| tenants.database.put(tenants.tenant(number)));
    for number in 0..4 {
        assert_eq!(tenants.verdict(&tenants.token(number)).await, "ok");
        tenants.world.advance(Duration::from_secs(1)).await;
    }
    let new = [4, 5].map(|number| tenants.token(number));
    let mut outcomes = Vec::new();
    for token in &new {
        match tenants.verifier.verify_with_cached_keys(token) {
            Step::NeedsKeys(needs) => outcomes.push(needs.refresh().await),
            Step::Done(done) => panic!("{done:?}"),
        }
    }
    for (token, outcome) in new.iter().zip(&outcomes) {
        assert!(tenants.verifier.verify_after_refresh(token, outcome).is_ok());
    }
    // Once they were used, a flood of unsigned tokens displaces issuers that were used longer ago.
    for number in 6..9 {
        assert_ne!(tenants.verdict(&crate::floods::unsigned(&tenants.name(number), "k")).await, "ok");
    }
    let asked = tenants.database.asked();
    for number in [4, 5] {
        assert_eq!(tenants.verdict(&tenants.token(number)).await, "ok");
    }
    assert_eq!(tenants.database.asked(), asked);
}

/// S15.07: cached tokens and the resolver's own copy of the issuer keep the key source in memory.
#[tokio::test]
async fn s15_07_the_keys_of_an_issuer_that_was_dropped_leave_memory() {
    let tenants = Tenants::new().await;
    let keys = Arc::new(RemoteKeys::from_url(format!("{}/shared", tenants.world.server.url)).refresh_policy(policy()));
    for number in [0, 1] {
        let source: Arc<dyn countersign::key::KeySource> = keys.clone();
        tenants.database.put(NeedsAudience::new(tenants.name(number), source).audience("orders"));
    }
    let has_keys = || countersign::key::KeySource::cell(&*keys).current().is_some();
    for number in [0, 1] {
        assert_eq!(tenants.verdict(&tenants.token(number)).await, "ok");
    }
    let fetched = tenants.world.server.count();
    tenants.issuers.forget(&tenants.name(0));
    assert!(has_keys(), "another issuer uses the same source");
    assert_eq!(tenants.verdict(&tenants.token(1)).await, "ok");
    tenants.issuers.forget(&tenants.name(1));
    assert!(!has_keys() && keys.snapshot().is_none());
    tenants.world.advance(Duration::from_secs(700)).await;
    assert_eq!(tenants.world.server.count(), fetched, "and they are not refreshed");
    for _ in 0..2 {
        assert_eq!(tenants.verdict(&tenants.token(1)).await, "ok", "the resolver still knows it");
    }
    assert!(has_keys());
    assert_eq!(tenants.world.server.count(), fetched + 1);
}

#[tokio::test]
async fn the_mapping_of_a_resolved_issuer_reads_its_claims() {
    let tenants = Tenants::new().await;
    let mapping = Authorities::new().tenant_at("/org/id").tenants_of(tenants.name(0));
    let mapping = mapping.roles_at("/groups").names_of(tenants.name(0));
    tenants.database.put(tenants.tenant(0).authorities(mapping).required_claim("org"));
    let issuer = tenants.world.issuer.clone().with_name(tenants.name(0));
    let draft = || issuer.token().audience("orders").claim("groups", serde_json::json!(["clerk"]));
    let verified = tenants.verifier.verify(&draft().claim("org", serde_json::json!({"id": "acme"})).sign()).await;
    let verified = verified.expect("good");
    assert_eq!(verified.tenant().map(ToString::to_string).as_deref(), Some("acme"));
    assert_eq!(verified.grants().roles.iter().map(ToString::to_string).collect::<Vec<_>>(), ["clerk"]);
    assert_eq!(tenants.verdict(&draft().sign()).await, "missing_claim");

    let report = tenants.verifier.explain(&tenants.token(1)).await;
    assert_eq!(report.verdict, countersign::verify::Verdict::Accepted, "{report}");
}

#[tokio::test]
async fn keys_of_an_unused_issuer_are_no_longer_fetched() {
    let tenants = Tenants::new().await;
    assert_eq!(tenants.verdict(&tenants.token(0)).await, "ok");
    tenants.world.advance(Duration::from_secs(6 * 3600)).await;
    assert!(tenants.fetches(0) <= 2, "{}", tenants.fetches(0));
    tenants.world.server.now(|_, _| answer(503, &[], ""));
    assert_eq!(tenants.verdict(&tenants.token(0)).await, "keys_unavailable");
    let issuer = tenants.world.issuer.clone();
    tenants.world.server.now(move |_, _| ok(issuer.jwks()));
    tenants.world.advance(Duration::from_secs(61)).await;
    assert_eq!(tenants.verdict(&tenants.token(0)).await, "ok");
    for _ in 0..2000 {
        tenants.world.advance(Duration::from_secs(1)).await;
        assert_eq!(tenants.verdict(&tenants.token(0)).await, "ok");
    }
    assert!(tenants.fetches(0) >= 5, "refreshed while in use: {}", tenants.fetches(0));
}

/// CVE-2026-41413 and CVE-2026-1180: a JWKS address chosen by others led into the operator's network.
#[tokio::test]
async fn s4_25_keys_of_a_resolved_issuer_never_come_from_private_networks() {
    let inside = Server::start(|_, _| Reply::Hang).await;
    let port = inside.url.rsplit(':').next().expect("a port").to_owned();
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "169.254.169.254", "[fd00::1]"] {
        let name = format!("https://{host}:{port}");
        let issuer = TestIssuer::new().with_name(&name);
        let clock = Arc::new(issuer.clock().clone());
        for by_discovery in [true, false] {
            let database = Arc::<Database>::default();
            let keys = match by_discovery {
                true => RemoteKeys::from_issuer(&name),
                false => RemoteKeys::from_url(format!("http://127.0.0.1:{port}/jwks")),
            };
            let keys = Arc::new(keys);
            database.put(NeedsAudience::new(&name, keys).audience("orders"));
            let issuers = Arc::new(database.issuers());
            let verifier = Verifier::builder().trust_resolved(issuers.clone()).clock(clock.clone());
            let verifier = verifier.deny_danger().build().expect("good");
            let token = issuer.token().audience("orders").sign();
            let code = verifier.verify(&token).await.expect_err("refused").code();
            if name.contains("ffff") {
                assert_eq!(code, "unknown_issuer", "not canonical");
                continue;
            }
            assert_eq!((code, database.asked()), ("keys_unavailable", 1), "{name}");
            match issuers.report().remove(0).1 {
                KeyHealth::NotReady { reason } => assert!(reason.contains("private network"), "{name}: {reason}"),
                other => panic!("{name}: {other:?}"),
            }
        }
    }
    assert_eq!(inside.count(), 0, "no private address was called");
}

#[tokio::test]
async fn allowing_private_addresses_is_a_weakening() {
    let issuers = || ResolvedIssuers::new(|name: String| async move { Ok(Some(oidc(name).audience("orders"))) });
    let weak = Verifier::builder().trust_resolved(Arc::new(issuers().danger_allow_private_addresses()));
    let error = weak.deny_danger().build().expect_err("forbidden");
    assert_eq!(error.faults()[0].field, "danger");
    assert!(Verifier::builder().trust_resolved(Arc::new(issuers())).deny_danger().build().is_ok());
    let bad: [fn(&mut ResolvePolicy); 6] = [
        |policy| policy.max_issuers = 0,
        |policy| policy.max_age = Duration::ZERO,
        |policy| policy.refused_for = Duration::ZERO,
        |policy| policy.max_lookups_per_second = 0,
        |policy| policy.timeout = Duration::ZERO,
        |policy| policy.max_wait = policy.timeout * 2,
    ];
    for change in bad {
        let mut changed = ResolvePolicy::default();
        change(&mut changed);
        let built = Verifier::builder().trust_resolved(Arc::new(issuers().resolve_policy(changed.clone()))).build();
        assert!(built.is_err(), "{changed:?}");
    }
}

#[tokio::test]
async fn a_hanging_resolver_delays_callers_at_most_by_max_wait() {
    let world = World::honest().await;
    let clock = Arc::new(world.issuer.clock().clone());
    let issuers = ResolvedIssuers::new(|_| std::future::pending()).danger_allow_private_addresses();
    let verifier = Verifier::builder().trust_resolved(Arc::new(issuers)).clock(clock).build().expect("good");
    let token = world.issuer.clone().with_name(format!("{}/t", world.server.url)).token().audience("orders").sign();
    let asking = tokio::spawn(async move { verifier.verify(&token).await.map_err(|error| error.code()) });
    world.advance(Duration::from_secs(4)).await;
    until("a response", || asking.is_finished()).await;
    assert_eq!(asking.await.expect("no panic").map(|_| ()), Err("keys_unavailable"));
}

#[tokio::test]
async fn reserved_subjects_are_refused_from_resolved_issuers() {
    let tenants = Tenants::new().await;
    let operator = TestIssuer::new().with_name("https://id.example.com");
    let verifier = Verifier::builder()
        .trust(operator.trusted_for("orders"))
        .trust_resolved(tenants.issuers.clone())
        .reserve_subjects("svc:", operator.name())
        .clock(Arc::new(tenants.world.issuer.clock().clone()))
        .build()
        .expect("good");
    let verdict = async |token: String| verifier.verify(&token).await.map_or_else(|error| error.code(), |_| "ok");
    let of_tenant = |subject: &str| {
        let issuer = tenants.world.issuer.clone().with_name(tenants.name(0));
        issuer.token().audience("orders").subject(subject).sign()
    };
    assert_eq!(verdict(of_tenant("ann")).await, "ok");
    assert_eq!(verdict(of_tenant("svc:billing")).await, "subject_not_allowed");
    assert_eq!(verdict(operator.token().audience("orders").subject("svc:billing").sign()).await, "ok");
}

/// An unsigned token that names an issuer is no use of it: it neither keeps its keys fresh nor keeps it cached.
#[tokio::test]
async fn s15_01_an_unsigned_token_is_no_use_of_an_issuer() {
    let tenants = Tenants::with(|issuers| issuers.resolve_policy(ResolvePolicy::default().max_issuers(3))).await;
    let unsigned = |number| crate::floods::unsigned(&tenants.name(number), "k");
    for number in [0, 1] {
        assert_eq!(tenants.verdict(&tenants.token(number)).await, "ok");
        tenants.world.advance(Duration::from_secs(1)).await;
    }
    for number in 2..8 {
        for _ in 0..2 {
            assert_ne!(tenants.verdict(&unsigned(number)).await, "ok");
        }
        assert_ne!(tenants.verdict(&unsigned(0)).await, "ok");
        tenants.world.advance(Duration::from_secs(1)).await;
    }
    let asked = tenants.database.asked();
    for number in [0, 1] {
        assert_eq!(tenants.verdict(&tenants.token(number)).await, "ok");
    }
    assert_eq!(tenants.database.asked(), asked, "issuers with verified tokens stayed cached");

    for _ in 0..6 * 12 {
        tenants.world.advance(Duration::from_secs(300)).await;
        tenants.verdict(&unsigned(1)).await;
    }
    let unforced = tenants.world.server.heads().iter().filter(|head| !head.contains("no-cache")).count();
    assert!(unforced <= 10, "{unforced} refreshes in six hours");
}
