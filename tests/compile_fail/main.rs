//! Code that must not compile, because a type rules it out.

/// In CVE-2024-51744, CVE-2026-1529 and CVE-2023-23928, claims were used without a signature check. Here the types rule that
/// mistake out.
#[test]
fn s1_24_what_skips_a_check_does_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("compile_fail/cases/*.rs");
    cases.pass("compile_fail/valid_counterparts.rs");
}
