//! What must not compile: the promises that the types make.

/// CVE-2024-51744, CVE-2026-1529 and CVE-2023-23928 are claims that were used although no signature had been checked;
/// here that is no mistake one can make, since the types do not meet.
#[test]
fn s1_24_what_skips_a_check_does_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("compile_fail/cases/*.rs");
    cases.pass("compile_fail/twins.rs");
}
