//! Where keys come from, at size and in motion: looking one up among many, what many issuers weigh, and requests while keys
//! rotate every second.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign::keys::{RefreshPolicy, RemoteKeys};
use countersign_benches::measure::{Contender, Dice, Plan, interleave, median};
use countersign_benches::report::{Report, short};
use countersign_benches::sample::{self, AUDIENCE};
use countersign_core::key::{Algorithm, KeySet, KeySource, RefreshReason, StaticKeys};
use countersign_core::mint::Signer;
use countersign_core::policy::NeedsAudience;
use countersign_core::secret::Secret;
use countersign_core::verify::Verifier;
use countersign_test::{Provider, TestIssuer};

/// Numbers of issuers looked among.
const ISSUERS: [usize; 4] = [1, 100, 1_000, 10_000];

/// Numbers of keys looked among; a set holds no more.
const KEYS: [usize; 3] = [1, 16, countersign_core::key::MAX_KEYS];

/// How many of them the tokens are from: a few, so that what is measured is the look-up; or many, so that memory not in the
/// processor's caches is too.
const IN_USE: [usize; 2] = [16, 512];

/// Tokens taken in turn.
const TOKENS: usize = 512;

/// How many keys each issuer publishes where their weight is asked for.
const KEYS_OF_ONE: usize = 2;

pub(crate) fn run(plan: &Plan, report: &mut Report) {
    weight(report); // first: memory that other parts gave back would hide its growth
    look_ups(plan, report);
    rotations(plan, report);
}

/// Verification of HS256 tokens, the cheapest there are, among so many issuers or keys.
fn look_ups(plan: &Plan, report: &mut Report) {
    let mut rows = Vec::new();
    for in_use in IN_USE {
        for (what, sizes, make) in [
            ("issuers", &ISSUERS[..], among_issuers as fn(usize, usize) -> Among),
            ("keys of one issuer", &KEYS[..], among_keys),
        ] {
            let made: Vec<Among> = sizes.iter().map(|size| make(*size, in_use)).collect();
            let figures = interleave(plan, made.iter().map(Among::contender).collect());
            for (among, figure) in made.iter().zip(&figures) {
                let (nanos, over) = (short(figure.nanos), format!("{:.0}", figure.over));
                rows.push(vec![format!("{} {what}", among.size), in_use.min(among.size).to_string(), nanos, over]);
            }
            if let Some((among, figure)) = made.last().zip(figures.last()).filter(|_| in_use == IN_USE[0]) {
                report.at_most(
                    format!("verification with {} {what}, relative to 1", among.size),
                    " ×",
                    1.1,
                    figure.ratio,
                );
            }
        }
    }
    let note = "A full verification of an HS256 token without the cache; `iss` selects the issuer and `kid` the \
                key. A key set has at most 128 keys. If tokens of hundreds of issuers alternate, the result \
                includes misses of the processor's caches.";
    report.table("Verification with many issuers and keys", note, &["", "in use", "ns", "ns over one"], rows);
}

struct Among {
    size: usize,
    verifier: Verifier,
    tokens: Vec<String>,
}

impl Among {
    fn contender(&self) -> Contender<'_> {
        let mut next = 0;
        Contender::new(self.size.to_string(), move || {
            next = (next + 1) % self.tokens.len();
            drop(black_box(sample::verified(&self.verifier, black_box(&self.tokens[next]))));
        })
    }
}

/// The `place`th of those in use, spread over all.
fn spread(place: usize, in_use: usize, size: usize) -> usize {
    place * (size / in_use).max(1)
}

fn among_issuers(size: usize, in_use: usize) -> Among {
    let signer = sample::signer(Algorithm::HS256);
    let name = |number: usize| format!("https://id.example.com/realms/tenant-{number}");
    let issuers = (0..size).map(|number| sample::trusted(&signer, &name(number)));
    let verifier = issuers.fold(sample::builder(0), |builder, issuer| builder.trust(issuer)).build().expect("good");
    let mut dice = Dice::new(11);
    let tokens = (0..TOKENS)
        .map(|number| sample::token(&signer, &name(spread(dice.below(in_use.min(size)), in_use, size)), number))
        .collect();
    Among { size, verifier, tokens }
}

fn among_keys(size: usize, in_use: usize) -> Among {
    let signer = |number: usize| {
        let secret = Secret::new(format!("7f3c19ab5e02d648b1f7a09c33de{number:08}").into_bytes());
        Signer::from_secret(secret, Algorithm::HS256, format!("key-{number}")).expect("a good key")
    };
    let signers: Vec<Signer> = (0..size).map(signer).collect();
    let keys = signers.iter().map(|signer| signer.verifying_key().expect("a good key"));
    let keys = Arc::new(StaticKeys::from_set(KeySet::new(keys)));
    let issuer = NeedsAudience::new(sample::ISSUER, keys).audience(AUDIENCE).algorithms([Algorithm::HS256]);
    let verifier = sample::builder(0).trust(issuer).build().expect("good");
    let mut dice = Dice::new(11);
    let tokens = (0..TOKENS)
        .map(|number| {
            sample::token(&signers[spread(dice.below(in_use.min(size)), in_use, size)], sample::ISSUER, number)
        })
        .collect();
    Among { size, verifier, tokens }
}

/// What 10,000 issuers weigh, each with a source that has fetched its own two keys and keeps them fresh.
fn weight(report: &mut Report) {
    const MANY: usize = 10_000;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (before, after) = runtime.block_on(async {
        let issuer = TestIssuer::with_system_clock();
        issuer.rotate(); // the second key
        let provider = Provider::start(&issuer).await.expect("a port");
        sources(&provider, 200).await; // what is set up once
        let before = resident_bytes();
        let sources = sources(&provider, MANY).await;
        assert!(sources.iter().all(|keys| keys.cell().current().is_some_and(|set| set.len() == KEYS_OF_ONE)));
        let issuers = sources.into_iter().enumerate().map(|(number, keys)| {
            NeedsAudience::new(format!("https://id.example.com/realms/tenant-{number}"), keys).audience(AUDIENCE)
        });
        let verifier = issuers.fold(sample::builder(0), |builder, issuer| builder.trust(issuer)).build().expect("good");
        let after = resident_bytes();
        assert_eq!(verifier.issuers().count(), MANY);
        (before, after)
    });
    let mebibytes = (after - before) / f64::from(1 << 20);
    report.at_most("10,000 issuers with their keys", " MiB", 64.0, mebibytes);
    let rows = vec![vec!["10,000 issuers".into(), short(mebibytes), short((after - before) / MANY as f64 / 1024.0)]];
    let note = "Growth of the process's resident memory, C allocations included. Each issuer has its own key \
                source, which fetched two ES256 keys over HTTP and has a refresh task.";
    report.table("Memory of many issuers", note, &["", "MiB", "KiB each"], rows);
}

async fn sources(provider: &Provider, count: usize) -> Vec<Arc<dyn KeySource>> {
    const AT_ONCE: usize = 50;
    let made: Vec<Arc<dyn KeySource>> =
        (0..count).map(|_| Arc::new(RemoteKeys::from_url(provider.jwks_url())) as Arc<dyn KeySource>).collect();
    for some in made.chunks(AT_ONCE) {
        let fetching: Vec<_> = some.iter().map(|keys| tokio::spawn(fetched(Arc::clone(keys)))).collect();
        for fetch in fetching {
            fetch.await.expect("no panic");
        }
    }
    made
}

async fn fetched(keys: Arc<dyn KeySource>) {
    while keys.cell().current().is_none() {
        let _ = keys.refresh(RefreshReason::NoUsableKeys).await;
    }
}

/// The process's resident memory.
fn resident_bytes() -> f64 {
    const PAGE: f64 = 4096.0;
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<f64>().ok()).map_or(f64::NAN, |pages| pages * PAGE)
}

/// Requests per second through the verifier with its cache on, while the issuer rotates every second, and while it does not.
fn rotations(plan: &Plan, report: &mut Report) {
    let seconds = if plan.rounds >= Plan::FULL.rounds { 6 } else { 2 };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let (mut calm, mut rotating, mut fetches, mut failed) = (Vec::new(), Vec::new(), 0, 0);
    for _ in 0..3 {
        for (rotates, rates) in [(false, &mut calm), (true, &mut rotating)] {
            let run = runtime.block_on(serve(seconds, rotates));
            rates.push(run.requests as f64 / run.taken.as_secs_f64());
            failed += run.failed;
            fetches += if rotates { run.fetches } else { 0 };
        }
    }
    let (calm, rotating) = (median(calm), median(rotating));
    report.at_least(
        "requests per second while keys rotate every second, relative to no rotation",
        " %",
        95.0,
        100.0 * rotating / calm,
    );
    report.at_most("requests that failed during rotations", "", 0.0, failed as f64);
    let rows = vec![
        vec!["no rotation".into(), short(calm / 1000.0), String::new(), String::new()],
        vec!["a rotation every second".into(), short(rotating / 1000.0), fetches.to_string(), failed.to_string()],
    ];
    let note = format!(
        "64 live ES256 tokens through a verifier with its cache, from one task, three alternating runs of {seconds} s \
         each. A new key signs as soon as it is published, which is stricter than an issuer should be: the first request \
         with that key waits for the fetch. Every rotation invalidates the cached tokens."
    );
    report.table("While keys rotate", &note, &["", "thousand requests per second", "fetches", "failed"], rows);
}

struct Run {
    requests: usize,
    failed: usize,
    fetches: u64,
    taken: Duration,
}

async fn serve(seconds: u64, rotates: bool) -> Run {
    const LIVE: usize = 64;
    /// A little more than the cool-down: a rotation within it waits for its end, by design.
    const TURN: Duration = Duration::from_millis(1050);
    let issuer = TestIssuer::with_system_clock();
    let provider = Provider::start(&issuer).await.expect("a port");
    let policy = RefreshPolicy::default().cool_down(Duration::from_secs(1));
    let keys = Arc::new(RemoteKeys::from_url(provider.jwks_url()).refresh_policy(policy));
    let issuer = NeedsAudience::new(provider.url(), keys).audience(AUDIENCE);
    let verifier = Verifier::new(issuer).expect("a good policy");
    let mint = || (0..LIVE).map(|_| provider.token().audience(AUDIENCE).sign()).collect::<Vec<_>>();
    let mut tokens = mint();
    verifier.verify(&tokens[0]).await.expect("the first");
    let (mut requests, mut failed) = (0, 0);
    let mut taken = Duration::ZERO;
    for _ in 0..seconds {
        if rotates {
            provider.issuer().rotate();
        }
        tokens = mint(); // in both runs, and untimed
        let turn = Instant::now();
        while turn.elapsed() < TURN {
            for token in &tokens {
                requests += 1;
                failed += usize::from(black_box(verifier.verify(token).await).is_err());
            }
        }
        taken += turn.elapsed();
        if rotates {
            provider.issuer().withdraw_old_keys();
        }
    }
    Run { requests, failed, fetches: provider.jwks_requests(), taken }
}
