//! Small helpers: base64url, JSON, keys, hashes, UUIDs.

use axum::Json;
use countersign::secret::Secret;
use serde::Deserialize;
use serde_json::{Value, json};

use super::response::{Answer, Refusal};
use crate::encoding;
use crate::exit::Failure;
use crate::tools::{hash, json_layout, jwk, uuids};

#[derive(Deserialize)]
pub(super) struct Request {
    tool: String,
    #[serde(default)]
    text: String,
    /// A second text: the hash to check a secret against.
    #[serde(default)]
    other: String,
}

pub(super) async fn answer(Json(request): Json<Request>) -> Answer {
    // Argon2id and bcrypt take some time, by design.
    let helped = tokio::task::spawn_blocking(move || help(&request)).await;
    let text = helped.map_err(|_| Refusal("the task ended unexpectedly".to_owned()))??;
    Ok(Json(json!({ "text": text })))
}

fn help(request: &Request) -> Result<String, Failure> {
    let text = request.text.as_str();
    let not_json = || Failure::usage("not JSON");
    let keys = || jwk::read(text, None);
    let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap_or_default();
    Ok(match request.tool.as_str() {
        "base64url_encode" => encoding::encode(text.as_bytes()),
        "base64url_decode" => {
            let decoded = encoding::decode_leniently(text.trim(), 0);
            let words = String::from_utf8(decoded.bytes).unwrap_or_else(|bytes| encoding::hex(bytes.as_bytes(), " "));
            decoded.fault.map_or_else(|| words.clone(), |fault| format!("{words}\n\n{fault}"))
        }
        "json_pretty" => json_layout::pretty(text).ok_or_else(not_json)?,
        "json_compact" => json_layout::compact(text).ok_or_else(not_json)?,
        "to_jwk" => pretty(&json!({ "keys": keys()?.iter().map(jwk::to_jwk).collect::<Vec<_>>() })),
        "to_pem" => keys()?.iter().map(jwk::to_pem).collect(),
        "thumbprint" => keys()?.iter().map(|key| format!("{}\n", key.thumbprint())).collect(),
        "sha256" => hash::sha256(text),
        "argon2id" => hash::argon2id(&Secret::from(text))?,
        "hash_check" => match hash::is_hash_of(&request.other, &Secret::from(text))? {
            true => "the secret matches the hash".to_owned(),
            false => "the secret does not match the hash".to_owned(),
        },
        "uuid_v4" => uuids::v4(),
        "uuid_v7" => uuids::v7(),
        "uuid_parse" => pretty(&uuids::parse(text)?),
        _ => return Err(Failure::usage("no such helper")),
    })
}
