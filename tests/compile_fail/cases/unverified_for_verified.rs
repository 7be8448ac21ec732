use countersign::token::Unverified;
use countersign::verify::Verified;

fn only_for_verified(_: &Verified) {}

fn main() {
    let unverified = Unverified::parse("a.b.c").unwrap();
    only_for_verified(&unverified);
}
