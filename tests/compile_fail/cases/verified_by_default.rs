use countersign::verify::Verified;

fn main() {
    let _ = Verified::default();
}
