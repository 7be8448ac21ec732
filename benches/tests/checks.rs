//! What peers refuse, so that the table of it in BENCHMARKS.md is measured and not claimed.

use countersign_benches::peers::checks::all_checks;

#[test]
fn each_library_refuses_what_the_table_says() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let _guard = runtime.enter();
    let line = |check: countersign_benches::peers::checks::Check| {
        let marks: String = check.refused.iter().map(|is_refused| if *is_refused { 'r' } else { 'A' }).collect();
        format!("{marks} {}", check.what)
    };
    let found: Vec<String> = all_checks().into_iter().map(line).collect();
    assert_eq!(found, EXPECTED, "`r` is refused and `A` accepted, in the order of `peers::NAMES`");
}

/// Countersign takes a token without a `kid` if the issuer has one key, and `JWT` as a type unless told otherwise.
const EXPECTED: &[&str] = &[
    "rrrrrrrr signed by another key",
    "rrrrrrrr no signature, `alg` is `none`",
    "rrrrrrrr HMAC by the public key, `alg` is HS256",
    "rrrrrrrr `alg` of another kind of key",
    "rrrrrrrr signature with other unused bits",
    "rrrrrrrr unknown `kid`",
    "ArArAArr no `kid`",
    "rrAArrAA `crit` names an unknown parameter",
    "rAAArrAA `typ` is `logout+jwt`",
    "AAAArrAA `typ` is `JWT`",
    "rrrrrrrr another issuer",
    "rrrrrrrr no issuer",
    "rrrrrrrr another audience",
    "rrrrrrrr no audience",
    "rrrrrrrr expired for 2 minutes",
    "rrrrrrrr no `exp`",
    "rrrrrrrr `exp` is text",
    "rrrrrrAA `nbf` in 10 minutes",
    "rAAArAAA `iat` in 10 minutes",
    "rrrrrrrr duplicate claim of the decoded type",
    "rrrrrrrr duplicate header parameter",
    "rAAAArAA 40,000 bytes",
    "rAAArrAA bound to a key (`cnf`), without a proof",
    "rAAArrAA good token, key published for encryption (`use`)",
    "rAArrrAA good token, key published for another algorithm (`alg`)",
];
