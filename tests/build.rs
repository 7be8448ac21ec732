//! Tells the tests which foreign programs are installed.

use std::path::Path;

mod parts;

fn main() {
    parts::report(&Path::new(env!("CARGO_MANIFEST_DIR")).join("peers"));
}
