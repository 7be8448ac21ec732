//! Tells the tests which foreign programs are installed; the published package has neither this script nor the tests.

use std::path::Path;

#[path = "../../tests/parts.rs"]
#[allow(unreachable_pub, reason = "the tests' library has this module too")]
mod parts;

fn main() {
    parts::report(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/peers"));
}
