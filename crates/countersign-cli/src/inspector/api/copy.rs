//! Forms of a token to copy: a header, a curl command, a Rust test.

use axum::Json;
use countersign::inspect::inspect;
use serde::Deserialize;
use serde_json::{Value, json};

use super::response::Answer;
use crate::input;
use crate::tools::shell;

/// Claims that the test kit sets for every token.
const LEFT_TO_THE_KIT: [&str; 5] = ["iss", "iat", "nbf", "exp", "jti"];

/// URL in the curl command if none was entered.
const EXAMPLE_URL: &str = "http://127.0.0.1:3000/";

#[derive(Deserialize)]
pub(super) struct Copy {
    token: String,
    #[serde(default)]
    url: String,
}

pub(super) async fn answer(Json(copy): Json<Copy>) -> Answer {
    let token = input::unwrapped(&copy.token);
    Ok(Json(json!({
        "header": format!("Authorization: Bearer {token}"),
        "curl": shell::curl(&token, if copy.url.trim().is_empty() { EXAMPLE_URL } else { copy.url.trim() }),
        "rust": rust_test(&token),
    })))
}

/// A test that creates the same token with the test kit and verifies it.
fn rust_test(token: &str) -> String {
    let inspection = inspect(token);
    let claims = inspection.payload().and_then(Value::as_object).cloned().unwrap_or_default();
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let audience = claims.get("aud").map(|aud| aud.as_array().and_then(|all| all.first()).unwrap_or(aud));
    let audience = audience.and_then(Value::as_str).unwrap_or("my-service");
    let issuer = match text("iss") {
        Some(name) => format!("TestIssuer::new().with_name({name:?})"),
        None => "TestIssuer::new()".to_owned(),
    };
    let mut lines = String::new();
    for (name, value) in claims.iter().filter(|(name, _)| !LEFT_TO_THE_KIT.contains(&name.as_str())) {
        lines.push_str(&match (name.as_str(), value) {
            ("sub", Value::String(subject)) => format!("        .subject({subject:?})\n"),
            ("client_id", Value::String(client)) => format!("        .client_id({client:?})\n"),
            ("aud", Value::String(audience)) => format!("        .audience({audience:?})\n"),
            (name, Value::String(text)) => format!("        .claim({name:?}, {text:?})\n"),
            (name, value) => format!("        .claim({name:?}, serde_json::json!({value}))\n"),
        });
    }
    format!(
        "use countersign_test::TestIssuer;\n\n\
         #[tokio::test]\n\
         async fn the_token_is_accepted() {{\n\
         \x20   let issuer = {issuer};\n\
         \x20   let verifier = issuer.verifier_for({audience:?});\n\
         \x20   let token = issuer\n\
         \x20       .token()\n\
         {lines}\
         \x20       .sign();\n\
         \x20   assert!(verifier.verify(&token).await.is_ok());\n\
         }}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::encode;

    /// The expected text is a source file of the test suite, so that it is compiled and run.
    #[test]
    fn the_copied_rust_test_is_one_of_ours() {
        let claims = json!({
            "iss": "https://id.example.com", "aud": "orders", "sub": "ann \"the one\"", "client_id": "web", "level": 3,
            "realm_access": { "roles": ["clerk", "manager"] }, "scope": "orders:read orders:write", "jti": "j1",
            "iat": 1_700_000_000, "exp": 1_700_000_300,
        });
        let token = format!("{}.{}.AAAA", encode(b"{}"), encode(claims.to_string().as_bytes()));
        assert_eq!(rust_test(&token), include_str!("../../../tests/inspector/copied.rs"));
    }
}
