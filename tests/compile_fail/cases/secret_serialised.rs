use countersign::secret::Secret;

fn main() {
    let _ = serde_json::to_string(&Secret::new(String::from("s")));
}
