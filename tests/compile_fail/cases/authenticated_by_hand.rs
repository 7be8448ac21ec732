use std::sync::Arc;

use countersign::authenticate::Authenticated;
use countersign::verify::Verified;

fn look_alike(verified: Arc<Verified>) -> Authenticated {
    Authenticated { verified: Some(verified) }
}

fn main() {}
