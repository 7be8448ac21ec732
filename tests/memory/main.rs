//! The memory that is really held at the worst tokens, counted by this program's allocator: within twice each setting
//! (S15.07, S11.04).
//!
//! Each part runs in a process of its own, because the count is of the whole process.

mod issuers;
mod outbound;

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::{BTreeMap, HashMap};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use countersign::authz::claim;
use countersign::clock::{Clock, SystemClock};
use countersign::revocation::{RevocationCheck, RevocationList, SingleUse};
use countersign::verify::Verifier;
use countersign_core::integration::{RequestContext, Step};
use countersign_core::verify::Verified;
use countersign_test::{TestIssuer, TokenDraft};
use serde_json::{Value, json};

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged; counting touches one atomic number.
#[allow(unsafe_code, reason = "an allocator cannot be written without")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SETTING: usize = 16 * 1024 * 1024;

const MIB: f64 = 1024.0 * 1024.0;

/// The bytes that the process has allocated now.
fn live() -> usize {
    LIVE.load(Ordering::Relaxed)
}

/// The bytes that the process has allocated now, with those of the cryptographic library, which has C's allocator. Elsewhere
/// only those of Rust.
#[allow(unsafe_code, reason = "the statistics of C's allocator")]
fn everything() -> usize {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// `struct mallinfo2`; the last fields but two are bytes in use, those of large blocks before them.
        #[repr(C)]
        #[allow(dead_code, reason = "a foreign layout")]
        struct Statistics {
            counts: [usize; 4],
            mapped: usize,
            others: [usize; 2],
            used: usize,
            rest: [usize; 2],
        }
        unsafe extern "C" {
            fn mallinfo2() -> Statistics;
        }
        let statistics = unsafe { mallinfo2() };
        statistics.used + statistics.mapped
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    live()
}

/// The bytes that the verifier holds after all of these tokens were used, and the number of tokens in its cache.
fn held(
    tokens: usize,
    draft: impl Fn(&TestIssuer, usize) -> TokenDraft,
    work: impl Fn(usize, &Verified),
) -> (usize, usize) {
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier_for("orders");
    let warm = draft(&issuer, usize::MAX).sign();
    drop(verifier.verify_with_cached_keys(&warm));
    let before = LIVE.load(Ordering::Relaxed);
    for number in 0..tokens {
        let token = draft(&issuer, number).sign();
        assert!(token.len() < 16 * 1024, "{}", token.len());
        match verifier.verify_with_cached_keys(&token) {
            Step::Done(Ok(verified)) => work(number, &verified),
            other => panic!("not accepted: {other:?}"),
        }
        assert!(is_hit(&verifier, &token) || tokens > 1_200, "cached");
    }
    (LIVE.load(Ordering::Relaxed) - before, verifier.cached_tokens())
}

fn is_hit(verifier: &Verifier, token: &str) -> bool {
    verifier.cached(token).is_ok()
}

/// About 10 KB of JSON that takes many times as much when it is decoded.
fn nested() -> [(&'static str, Value); 2] {
    let objects = std::iter::repeat_with(|| json!({ "": 0 })).take(1_250).collect::<Vec<_>>();
    let members = (0..900).map(|number| (format!("m{number}"), json!(0))).collect::<serde_json::Map<_, _>>();
    [("objects", Value::Array(objects)), ("members", Value::Object(members))]
}

/// Decodes the claims as every type that a service could ask for, and asks for a claim of it.
fn decode_all(number: usize, verified: &Verified) {
    let context = RequestContext::new(verified.expires_at());
    for (path, value) in [("/x/0", json!(1)), ("/x", json!([])), ("/sub", json!("ann"))] {
        let _ = verified.check(&claim(path, value).not(), context);
    }
    if number > 300 && !number.is_multiple_of(8) {
        return; // the first ones took all that decoded types may take; this test has to end
    }
    assert!(verified.claims::<Value>().is_ok());
    assert!(verified.claims::<BTreeMap<String, Value>>().is_ok());
    assert!(verified.claims::<HashMap<String, Value>>().is_ok());
    assert!(verified.claims::<Vec<(String, Value)>>().is_err());
    assert!(verified.claims::<serde_json::Map<String, Value>>().is_ok());
}

#[test]
#[cfg_attr(not(is_ci), ignore = "takes long; CI=true runs it")]
fn s15_07_s11_04_the_memory_held_is_within_twice_the_setting() {
    let parts = ["key_sets", "callers", "nested", "plain", "revocation_lists", "million_revocations"];
    let spawn = |part: &str| {
        let mut command = Command::new(std::env::current_exe().expect("this test"));
        command.args([&format!("part_{part}"), "--exact", "--ignored", "--nocapture"]).stdout(Stdio::piped());
        command.spawn().expect("it starts")
    };
    let parts = parts.map(|part| (part, spawn(part)));
    let results = parts.map(|(part, child)| (part, child.wait_with_output().expect("it ends")));
    for (part, output) in &results {
        let text = String::from_utf8_lossy(&output.stdout);
        print!("{text}");
        assert!(output.status.success() && text.contains("1 passed"), "{part}");
    }
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn part_key_sets() {
    issuers::the_largest_key_sets_of_resolved_issuers_stay_within_twice_the_setting();
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn part_callers() {
    outbound::the_callers_of_outbound_tokens_stay_within_twice_the_setting();
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn part_nested() {
    for (name, value) in nested() {
        let draft = |issuer: &TestIssuer, number: usize| {
            issuer.token().subject(format!("u{number}")).audience("orders").claim("x", value.clone())
        };
        let (bytes, cached) = held(1_200, draft, decode_all);
        println!("{name}: {:.1} MiB for {cached} tokens", bytes as f64 / MIB);
        assert!(bytes <= 2 * SETTING, "{name}: {bytes} bytes for {cached} tokens");
    }
}

/// Tokens of 1,000 bytes, as a service meets them: the setting is used well, and decoded types are weighed.
#[test]
#[ignore = "run by the test above, in a process of its own"]
fn part_plain() {
    let filled = |issuer: &TestIssuer, number: usize| {
        let draft = issuer.token().subject(format!("user-{number:06}")).audience("orders").scope("orders:read");
        draft.role("clerk").tenant("acme").claim("filling", "x".repeat(424))
    };
    let issuer = TestIssuer::new();
    let length = filled(&issuer, 1).sign().len();
    assert!((960..1_040).contains(&length), "{length}");
    let (bytes, cached) = held(11_500, filled, |_, _| {});
    let each = bytes / cached;
    println!("plain: {:.1} MiB for {cached} tokens, {each} bytes each", bytes as f64 / MIB);
    assert!(bytes <= SETTING + SETTING / 8, "{bytes} bytes for {cached} tokens");
    let (bytes, cached) = held(11_500, filled, decode_all);
    println!("decoded: {:.1} MiB for {cached} tokens", bytes as f64 / MIB);
    assert!(bytes <= 2 * SETTING, "{bytes} bytes for {cached} tokens");
}

/// The bytes that the documentation states for a used token, for a revoked one, and for a holder that revokes its own.
const USED: usize = 500;
const REVOKED: usize = 24;
const HOLDER: usize = 50;

/// Lists of revoked and of used tokens, filled by two issuers with the longest names that a token can have.
#[test]
#[ignore = "run by the test above, in a process of its own"]
fn part_revocation_lists() {
    const ENTRIES: usize = 2_048;
    let issuers =
        ["a", "b"].map(|name| TestIssuer::new().with_name(format!("https://{name}.test/{}", "x".repeat(100))));
    let before = LIVE.load(Ordering::Relaxed);
    let list = RevocationList::new().max_entries(ENTRIES);
    let used = SingleUse::new().max_entries(ENTRIES);
    let clock = issuers[0].verifier_for("orders");
    assert!(list.attach(clock.clock()).is_empty() && used.attach(clock.clock()).is_empty());
    for issuer in &issuers {
        let verifier = issuer.verifier_for("orders");
        for number in 0..2 * ENTRIES {
            let name = format!("{number}{}", "n".repeat(3_000));
            let draft = issuer.token().audience("orders").subject(&name).claim("jti", name.as_str());
            let Step::Done(Ok(token)) = verifier.verify_with_cached_keys(&draft.sign()) else { panic!("not accepted") };
            let _ = list.revoke(&token); // the last ones are refused
            used.check(&token);
        }
    }
    let held = LIVE.load(Ordering::Relaxed) - before;
    // Two busy issuers leave a quarter of the list to others.
    let entries = list.len();
    assert_eq!(2 * entries, 3 * ENTRIES);
    drop(used);
    let of_list = LIVE.load(Ordering::Relaxed) - before;
    let of_used = held - of_list;
    println!("of an entry: {} bytes if it is used, {} if it is revoked", of_used / entries, of_list / entries);
    assert!(of_used <= 2 * USED * entries, "{of_used} bytes for {entries} entries");
    // Tables have room for entries to come, and hash maps twice as much.
    assert!(of_list <= 2 * (REVOKED + HOLDER) * entries, "{of_list} bytes for {entries} entries");
}

/// A million identifiers of a hundred issuers, as a stream tells of them (S14.12).
#[test]
#[ignore = "run by the test above, in a process of its own"]
fn part_million_revocations() {
    const ENTRIES: usize = 990_000;
    let before = LIVE.load(Ordering::Relaxed);
    let list = RevocationList::new();
    let in_an_hour = SystemClock.now().saturating_add(Duration::from_secs(3600));
    for number in 0..ENTRIES {
        let issuer = format!("https://tenant-{}.id.example.com", number % 100);
        let id = format!("{number:036}");
        if number.is_multiple_of(2) {
            list.revoke_token(&issuer, &id, in_an_hour).expect("room");
        } else {
            list.revoke_session(&issuer, &id, in_an_hour).expect("room");
        }
    }
    let held = LIVE.load(Ordering::Relaxed) - before;
    println!("a million revocations: {:.2} bytes each", held as f64 / ENTRIES as f64);
    assert!(list.len() == ENTRIES && held <= REVOKED * ENTRIES, "{held} bytes for {ENTRIES}");
}
