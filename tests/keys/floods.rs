//! Floods of untrusted clients: everybody else is served.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64_simd::URL_SAFE_NO_PAD as BASE64;
use countersign::issuers::ResolvedIssuers;
use countersign::key::{KeyHealth, KeySource};
use countersign::keys::RemoteKeys;
use countersign::policy::NeedsAudience;
use countersign::verify::Verifier;

use crate::server::{answer, ok};
use crate::sources::file;
use crate::world::{World, policy, until};

const SECOND: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(10);

/// A token that somebody typed: it names an issuer and a key, and nothing in it is true.
pub fn unsigned(issuer: &str, kid: &str) -> String {
    let part = |json: serde_json::Value| BASE64.encode_to_string(json.to_string());
    let header = part(serde_json::json!({"alg": "ES256", "kid": kid, "typ": "at+jwt"}));
    let claims = serde_json::json!({
        "iss": issuer, "aud": "orders", "sub": "x", "iat": 1_700_000_000, "exp": 1_700_600_000,
    });
    format!("{header}.{}.{}", part(claims), BASE64.encode_to_string([7; 64]))
}

/// The names that a resolver knows, those whose lookup fails or hangs, and the number of lookups.
#[derive(Default)]
struct Directory {
    known: HashSet<String>,
    fails: Mutex<HashSet<String>>,
    hangs: HashSet<String>,
    lookups: AtomicUsize,
}

struct Tenants {
    directory: Arc<Directory>,
    verifier: Verifier,
}

impl Tenants {
    /// A process that has just started.
    fn start(world: &World, directory: Directory, names: Option<PathBuf>) -> Self {
        let directory = Arc::new(directory);
        let (asked, base) = (Arc::clone(&directory), world.server.url.clone());
        let issuers = ResolvedIssuers::new(move |name: String| {
            let (directory, base) = (Arc::clone(&asked), base.clone());
            async move {
                directory.lookups.fetch_add(1, Ordering::SeqCst);
                if directory.hangs.contains(&name) {
                    std::future::pending::<()>().await;
                }
                if directory.fails.lock().expect("sound").contains(&name) {
                    return Err("no answer for this name".into());
                }
                let keys = || RemoteKeys::from_url(format!("{base}/jwks")).refresh_policy(policy());
                Ok(directory
                    .known
                    .contains(&name)
                    .then(|| NeedsAudience::new(&name, Arc::new(keys())).audience("orders")))
            }
        });
        let issuers = issuers.danger_allow_private_addresses();
        let issuers = match names {
            Some(file) => issuers.known_names_file(file),
            None => issuers,
        };
        let clock = Arc::new(world.issuer.clock().clone());
        let verifier = Verifier::builder().trust_resolved(Arc::new(issuers)).clock(clock).build().expect("good");
        Tenants { directory, verifier }
    }

    async fn verdict(&self, token: &str) -> &'static str {
        self.verifier.verify(token).await.map_or_else(|error| error.code(), |_| "ok")
    }
}

fn directory(world: &World, tenants: usize) -> Directory {
    Directory { known: (0..tenants).map(|number| name(world, number)).collect(), ..Directory::default() }
}

fn name(world: &World, tenant: usize) -> String {
    format!("{}/tenant-{tenant}", world.server.url)
}

fn token(world: &World, tenant: usize) -> String {
    let issuer = world.issuer.clone().with_name(name(world, tenant));
    issuer.token().audience("orders").lifetime(Duration::from_secs(7 * 86_400)).sign()
}

/// Floods for `seconds` and returns when the tenant, whose client tries again each second, was first served.
async fn first_served(
    world: &World,
    tenants: &Tenants,
    seconds: u64,
    per_second: usize,
    invented: impl Fn(usize) -> String,
) -> Option<Duration> {
    let good = token(world, 0);
    let (mut sent, mut elapsed) = (0, Duration::ZERO);
    while elapsed < SECOND * u32::try_from(seconds).expect("few") {
        for _ in 0..per_second / 100 {
            sent += 1;
            assert_ne!(tenants.verdict(&unsigned(&invented(sent), "k")).await, "ok");
        }
        let is_due = elapsed.as_millis() % 1000 == 350;
        if is_due && tenants.verdict(&good).await == "ok" {
            return Some(elapsed);
        }
        world.advance(STEP).await;
        elapsed += STEP;
    }
    None
}

#[tokio::test]
#[cfg_attr(not(is_ci), ignore = "takes long; CI=true runs it")]
async fn s15_01_s15_03_a_tenant_that_is_not_cached_gets_in_during_a_flood_of_invented_issuers() {
    let world = World::honest().await;
    let base = world.server.url.clone();
    let elsewhere = |number: usize| format!("https://invented-{number}.example");
    let own_host = |number: usize| format!("{base}/invented-{number}");
    type Invent<'f> = &'f dyn Fn(usize) -> String;
    for (invent, per_second, seconds, runs) in [
        (&elsewhere as Invent<'_>, 100, 12, 10),
        (&own_host as Invent<'_>, 100, 12, 10),
        (&elsewhere as Invent<'_>, 1000, 12, 10),
        (&own_host as Invent<'_>, 1000, 12, 10),
    ] {
        let mut waits = Vec::new();
        for _ in 0..runs {
            let tenants = Tenants::start(&world, directory(&world, 1), None);
            let served = first_served(&world, &tenants, seconds, per_second, invent).await;
            waits.push(served.map_or(u128::MAX, |served| served.as_millis()));
            let lookups = tenants.directory.lookups.load(Ordering::SeqCst);
            let seconds = usize::try_from(seconds).expect("few");
            assert!(lookups <= 20 * (seconds + 1), "{lookups} lookups in {seconds} s");
        }
        println!("{per_second} invented issuers a second: the tenant was in after {waits:?} ms");
        assert!(waits.iter().all(|wait| *wait <= 2000), "{waits:?}");
    }
}

#[tokio::test]
async fn s15_01_a_client_that_repeats_its_invented_names_does_not_keep_a_tenant_out() {
    let world = World::honest().await;
    let tenants = Tenants::start(&world, directory(&world, 1), None);
    let twice = |number: usize| format!("https://invented-{}.example", number / 2);
    let served = first_served(&world, &tenants, 6, 100, twice).await;
    println!("each invented name twice: the tenant was in after {served:?}");
    assert!(served.is_some_and(|served| served <= SECOND * 3), "{served:?}");
}

#[tokio::test]
async fn s15_03_after_a_restart_known_issuers_are_resolved_first() {
    let world = World::honest().await;
    let names = file("issuers.txt");
    let _ = std::fs::remove_file(&names);
    let tenants = Tenants::start(&world, directory(&world, 50), Some(names.clone()));
    for tenant in 0..50 {
        assert_eq!(tenants.verdict(&token(&world, tenant)).await, if tenant < 7 { "ok" } else { "keys_unavailable" });
    }
    for _ in 0..20 {
        world.advance(SECOND).await;
        for tenant in 0..50 {
            tenants.verdict(&token(&world, tenant)).await;
        }
    }
    let stored = || std::fs::read_to_string(&names).unwrap_or_default().lines().count();
    world.advance(SECOND * 2).await;
    until("the names are stored", || stored() == 50).await;

    let again = Tenants::start(&world, directory(&world, 50), Some(names.clone()));
    for number in 0..1000 {
        again.verdict(&unsigned(&format!("https://invented-{number}.example"), "k")).await;
        again.verdict(&unsigned(&format!("{}/invented-{number}", world.server.url), "k")).await;
    }
    for tenant in 0..50 {
        assert_eq!(again.verdict(&token(&world, tenant)).await, "ok", "{tenant}, at its first request");
    }

    // A name in the file is not trusted, and leaves the file once the resolver no longer knows it.
    let fewer = Tenants::start(&world, directory(&world, 49), Some(names.clone()));
    assert_eq!(fewer.verdict(&token(&world, 49)).await, "unknown_issuer");
    world.advance(SECOND * 2).await;
    until("the name is removed", || stored() == 49).await;
    std::fs::write(&names, "not a name\nhttps://id.example/../x\n").expect("written");
    let odd = Tenants::start(&world, directory(&world, 1), Some(names));
    assert_eq!(odd.verdict(&token(&world, 0)).await, "ok");
}

#[tokio::test]
async fn s15_02_a_name_whose_lookup_fails_pauses_itself_only() {
    let world = World::honest().await;
    let directory = Directory { fails: Mutex::new(HashSet::from([name(&world, 5)])), ..directory(&world, 10) };
    let tenants = Tenants::start(&world, directory, None);
    let failing = token(&world, 5);
    for other in 0..3 {
        assert_eq!(tenants.verdict(&failing).await, "keys_unavailable");
        assert_eq!(tenants.verdict(&token(&world, other)).await, "ok", "at the same moment");
    }
    assert_eq!(tenants.directory.lookups.load(Ordering::SeqCst), 1 + 3, "it was asked for once");
    let error = tenants.verifier.verify(&failing).await.expect_err("paused");
    assert_eq!(error.retry_after(), Some(SECOND));
    world.advance(SECOND * 2).await;
    assert_eq!(tenants.verdict(&failing).await, "keys_unavailable");
    assert_eq!(tenants.directory.lookups.load(Ordering::SeqCst), 5);
    tenants.directory.fails.lock().expect("sound").clear();
    world.advance(SECOND * 2).await;
    assert_eq!(tenants.verdict(&failing).await, "ok");
}

#[tokio::test]
async fn s15_02_a_name_whose_lookup_hangs_pauses_itself_only() {
    let world = World::honest().await;
    let directory = Directory { hangs: HashSet::from([name(&world, 5)]), ..directory(&world, 10) };
    let tenants = Tenants::start(&world, directory, None);
    let (verifier, hanging) = (tenants.verifier.clone(), token(&world, 5));
    let waiting = tokio::spawn(async move { verifier.verify(&hanging).await.map_err(|error| error.code()) });
    until("it hangs", || tenants.directory.lookups.load(Ordering::SeqCst) == 1).await;
    for second in 0..8 {
        assert_eq!(tenants.verdict(&token(&world, 0)).await, "ok");
        if second < 4 {
            assert_eq!(tenants.verdict(&token(&world, 1 + second)).await, "ok", "another, not cached");
        }
        world.advance(SECOND).await;
    }
    assert_eq!(waiting.await.expect("no panic").map(|_| ()), Err("keys_unavailable"));
}

#[tokio::test]
#[cfg_attr(not(is_ci), ignore = "takes long; CI=true runs it")]
async fn s15_01_tenants_that_expired_together_are_looked_up_within_the_limit() {
    let world = World::honest().await;
    let tenants = Tenants::start(&world, directory(&world, 400), None);
    for _ in 0..60 {
        for tenant in 0..400 {
            tenants.verdict(&token(&world, tenant)).await;
        }
        world.advance(SECOND).await;
    }
    let looked_up = || tenants.directory.lookups.load(Ordering::SeqCst);
    assert_eq!(looked_up(), 400);
    world.advance(SECOND * 2 * 3600).await; // nobody comes for two hours
    let fetched = world.server.count();
    for round in 0..3 {
        for tenant in 0..400 {
            tenants.verdict(&unsigned(&name(&world, tenant), &format!("k{round}"))).await;
        }
    }
    println!("400 idle tenants: {} lookups, {} fetches", looked_up() - 400, world.server.count() - fetched);
    assert!(looked_up() - 400 <= 200 + 20, "{}", looked_up() - 400);
    assert!(world.server.count() - fetched <= 220 + 10);
    for _ in 0..3 {
        world.advance(SECOND).await;
        for tenant in 0..400 {
            tenants.verdict(&token(&world, tenant)).await;
        }
    }
    for tenant in 0..400 {
        assert_eq!(tenants.verdict(&token(&world, tenant)).await, "ok", "{tenant}");
    }
}

/// 400 issuers whose keys are cached, each on its own path of one server.
fn four_hundred(world: &World) -> Verifier {
    let mut builder = Verifier::builder().clock(Arc::new(world.issuer.clock().clone()));
    for number in 0..400 {
        let keys = RemoteKeys::from_url(format!("{}/keys-{number}", world.server.url)).refresh_policy(policy());
        builder = builder.trust(NeedsAudience::new(name(world, number), Arc::new(keys)).audience("orders"));
    }
    builder.build().expect("good")
}

#[tokio::test]
async fn s15_04_unknown_kids_at_four_hundred_issuers_cause_few_fetches_and_a_rotation_is_found() {
    let world = World::honest().await;
    let verifier = four_hundred(&world);
    for number in 0..400 {
        assert!(verifier.verify(&token(&world, number)).await.is_ok());
    }
    let before = world.server.count();
    let flood = async |round: usize| {
        let mut codes = BTreeMap::<&str, usize>::new();
        for number in 0..400 {
            let error = verifier.verify(&unsigned(&name(&world, number), &format!("k{round}"))).await;
            let error = error.expect_err("unsigned");
            assert!(!error.is_unavailable() || error.retry_after().is_some_and(|wait| wait >= SECOND), "{error}");
            *codes.entry(error.code()).or_default() += 1;
        }
        codes
    };
    let codes = flood(0).await;
    let fetched = world.server.count() - before;
    println!("400 issuers, 400 unsigned tokens: {fetched} fetches, {codes:?}");
    assert!(fetched <= 10, "{fetched} fetches from one host");
    assert_eq!(codes.get("unknown_key"), Some(&fetched), "only what was fetched is refused");

    // A rotation at one issuer, which signs at once with a key that was not published before.
    let (issuer, others) = (world.issuer.clone(), world.issuer.jwks());
    issuer.rotate();
    world.server.now(move |_, path| ok(if path == "/keys-200" { issuer.jwks() } else { others.clone() }));
    let new = world.issuer.clone().with_name(name(&world, 200)).token().audience("orders").sign();
    let (mut found, mut requests) = (None, Vec::new());
    for tenth in 0..50_u32 {
        flood(1 + tenth as usize).await;
        for _ in 0..2 {
            let (verifier, new) = (verifier.clone(), new.clone());
            requests.push(tokio::spawn(async move { verifier.verify(&new).await.map(drop) }));
        }
        world.advance(Duration::from_millis(100)).await;
        for request in requests.extract_if(.., |request| request.is_finished()) {
            match request.await.expect("no panic") {
                Ok(()) => found = found.or(Some(tenth * 100)),
                Err(error) => assert!(error.is_unavailable(), "no 401"),
            }
        }
        if found.is_some() {
            break;
        }
    }
    println!("400 issuers under 4,000 unsigned tokens a second: the rotation was found after {found:?} ms");
    assert!(found.is_some_and(|found| found <= 2000), "{found:?}");
    let fetched = world.server.count() - before;
    assert!(fetched <= 10 * 4, "{fetched}");
}

/// Freshness does not depend on traffic: keys that became stale while their issuer was not used are fetched once it is.
#[tokio::test]
async fn s15_10_stale_keys_of_an_issuer_that_was_idle_are_refreshed_at_its_next_use() {
    let world = World::honest().await;
    let tenants = Tenants::start(&world, directory(&world, 1), None);
    let good = token(&world, 0);
    assert_eq!(tenants.verdict(&good).await, "ok");
    world.advance(SECOND * 470).await;
    assert_eq!(tenants.verdict(&good).await, "ok", "in use, so that a refresh is due at 480 s");
    world.server.now(|_, _| answer(503, &[], ""));
    world.advance(SECOND * 1200).await; // it failed, the keys are stale, and nobody uses them
    let failed = world.server.count();
    world.advance(SECOND * 600).await;
    assert_eq!(world.server.count(), failed, "an idle issuer causes no fetches");
    let issuer = world.issuer.clone();
    world.server.now(move |_, _| ok(issuer.jwks()));
    assert_eq!(tenants.verdict(&good).await, "ok", "stale keys are usable for an hour");
    world.advance(SECOND * 2).await;
    until("they were fetched", || world.server.count() > failed).await;
}

/// The wall clock has no effect on lifetimes, cool-downs and pauses.
#[tokio::test]
async fn steps_of_the_wall_clock_change_no_lifetime_of_keys() {
    let world = World::honest().await;
    let (year, clock) = (Duration::from_secs(365 * 86_400), world.issuer.clock().clone());
    assert_eq!(world.verdict(&world.token()).await, "ok");
    let start = countersign::clock::Clock::now(&clock);
    for wall in [start.saturating_add(year), start.saturating_sub(year)] {
        clock.step_wall(wall);
        world.advance(SECOND * 100).await;
        assert_eq!(world.server.count(), 1, "not refreshed early");
        assert_eq!(world.keys.describe().health, KeyHealth::Ready);
    }
    clock.step_wall(start.saturating_add(SECOND * 200));
    assert_eq!(world.verdict(&world.token()).await, "ok");
    clock.step_wall(start.saturating_sub(year));
    world.advance(SECOND * 281).await;
    world.server.asked(2).await;
    assert_eq!(world.server.count(), 2, "refreshed in time");
}
