//! Allocations of a verification and of a call, counted by this program's allocator. The counts do not depend on the machine.
//! Allocations of aws-lc in C are not counted.
//!
//! A program of its own; each thread has its own count.

mod guards;
mod mcp;
mod outbound;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use countersign_core::verify::Verifier;
use countersign_test::TestIssuer;

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

fn count_one() {
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches a thread's own cell only.
#[allow(unsafe_code, reason = "an allocator cannot be written without")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count_one();
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count_one();
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count_one();
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = COUNT.get();
    work();
    COUNT.get() - before
}

#[test]
fn a_miss_takes_few_allocations_and_a_hit_none() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let issuer = TestIssuer::new();
    let cached = issuer.verifier_for("orders");
    let clock = Arc::clone(cached.clock());
    let uncached = Verifier::builder().trust(issuer.trusted_for("orders")).clock(clock).cache_bytes(0).build();
    let uncached = uncached.expect("a verifier");
    let token = |subject: &str| {
        issuer.token().subject(subject).audience("orders").scope("orders:read").scope("orders:write").sign()
    };
    let verify = |by: &Verifier, token: &str| runtime.block_on(by.verify(token)).map(drop).expect("a good token");
    // The first tokens fill thread-locals and grow the cache's tables.
    for number in 0..64 {
        let token = token(&format!("warm-{number}"));
        verify(&cached, &token);
        verify(&uncached, &token);
    }
    let tokens: Vec<String> = (0..32).map(|number| token(&format!("ann-{number}"))).collect();
    let by = |verifier: &Verifier| -> Vec<usize> {
        tokens.iter().map(|token| allocations(|| verify(verifier, token))).collect()
    };
    let (unkept, misses, hits) = (by(&uncached), by(&cached), by(&cached));
    assert_eq!(cached.stats().from_cache, 32);
    println!("without the cache {unkept:?} allocations, a miss {misses:?}, a hit {hits:?}");
    assert!(hits.iter().all(|count| *count == 0), "hits: {hits:?}");
    assert!(unkept.iter().all(|count| *count <= MOST_OF_A_TOKEN), "without the cache: {unkept:?}");
    // Now and then the cache's tables grow.
    assert!(misses.contains(&(MOST_OF_A_TOKEN + 1)), "misses: {misses:?}");
}

/// A policy that can be replaced is read without a lock and without an allocation.
#[test]
fn a_hit_under_a_replaceable_policy_takes_no_allocation() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let issuer = TestIssuer::new();
    let builder = || Verifier::builder().trust(issuer.trusted_for("orders")).clock(Arc::new(issuer.clock().clone()));
    let (verifier, replacer) = builder().build_replaceable().expect("a verifier");
    let token = issuer.token().audience("orders").sign();
    let verify = || runtime.block_on(verifier.verify(&token)).map(drop).expect("a good token");
    for _ in 0..2 {
        verify();
        assert_eq!(allocations(verify), 0);
        replacer.replace(builder()).expect("the same policy");
    }
}

/// The payload, the scopes, and the verified token; the cache adds its copy of the text.
const MOST_OF_A_TOKEN: usize = 3;

/// S11.14: garbage is cheap. Its time is a figure of the benches.
#[test]
fn s11_14_a_refusal_before_the_signature_takes_few_allocations() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier_for("orders");
    let good = || issuer.token().subject("ann").audience("orders").scope("orders:read");
    let refused = |token: &str| runtime.block_on(verifier.verify(token)).expect_err("refused").code();
    for (code, token) in [
        ("malformed", "x9_".repeat(333)),
        ("unknown_issuer", good().claim("iss", "https://other.test").sign()),
        ("expired", good().claim("exp", 1).claim("iat", 0).sign()),
        ("wrong_audience", good().claim("aud", "others").sign()),
        ("wrong_type", good().header("typ", "logout+jwt").sign()),
        ("unknown_key", good().header("kid", "nobody").sign()),
    ] {
        assert_eq!(refused(&token), code);
        let taken = allocations(|| assert_eq!(refused(&token), code));
        assert!(taken <= MOST_OF_A_REFUSAL, "{code}: {taken}");
    }
}

/// A bound that keeps requests of untrusted clients cheap, however many they send.
const MOST_OF_A_REFUSAL: usize = 10;
