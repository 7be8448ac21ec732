use countersign::token::Unverified;

fn main() {
    let unverified = Unverified::parse("a.b.c").unwrap();
    let _ = unverified.claims::<serde_json::Value>();
}
