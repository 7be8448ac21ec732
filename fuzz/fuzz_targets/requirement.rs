//! Any bytes as the data form of a requirement: never a panic, and what was read is written and read again alike.

#![no_main]

use countersign_core::authz::Requirement;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(requirement) = Requirement::from_json(text) else { return };
    assert!(requirement.check_config().is_ok(), "reading refuses faults");
    assert_eq!(requirement.to_string().lines().count().max(1), 1, "one line for logs");
    let written = requirement.to_json();
    let again = Requirement::from_json(&written).unwrap_or_else(|error| panic!("{error}: {written}"));
    assert_eq!(again, requirement);
    assert_eq!(again.to_json(), written);
    let _ = (requirement.needs_request(), requirement.path_parameters().count(), requirement.is_shadow());
});
