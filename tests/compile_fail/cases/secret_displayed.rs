use countersign::secret::Secret;

fn main() {
    println!("{}", Secret::new(String::from("s")));
}
