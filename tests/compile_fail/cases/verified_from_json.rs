use countersign::verify::Verified;

fn main() {
    let _: Verified = serde_json::from_str(r#"{"sub":"admin"}"#).unwrap();
}
