use std::sync::Arc;

use countersign::key::StaticKeys;
use countersign::policy::NeedsAudience;
use countersign::verify::Verifier;

fn main() {
    let issuer = NeedsAudience::new("https://id.example.com", Arc::new(StaticKeys::new([])));
    let _ = Verifier::new(issuer);
}
