//! The type that a JWT names in its header.

/// The `typ` of a JWT in lower case, without `application/`; `None` in it if the header has none. `None` if the header cannot be
/// read, or `typ` is not a string.
pub(crate) fn jwt_type(token: &str) -> Option<Option<String>> {
    let encoded = token.split('.').next().unwrap_or_default();
    let json = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(encoded).ok()?;
    let serde_json::Value::Object(header) = serde_json::from_slice(&json).ok()? else { return None };
    match header.get("typ") {
        None => Some(None),
        Some(serde_json::Value::String(name)) => {
            let name = name.to_ascii_lowercase();
            Some(Some(name.strip_prefix("application/").unwrap_or(&name).to_owned()))
        }
        Some(_) => None,
    }
}
