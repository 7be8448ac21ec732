//! Code that must not compile, because a type rules it out.

mod missing_features;
mod valid_counterparts;

/// In CVE-2024-51744, CVE-2026-1529 and CVE-2023-23928, claims were used without a signature check. Here the types rule that
/// mistake out.
#[test]
#[cfg_attr(not(is_ci), ignore = "compiles all dependencies once more, which takes minutes; CI=true runs it")]
fn s1_24_what_skips_a_check_does_not_compile() {
    trybuild::TestCases::new().compile_fail("compile_fail/cases/*.rs");
}
