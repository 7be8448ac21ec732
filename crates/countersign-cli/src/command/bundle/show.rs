//! `countersign bundle show`.

use clap::Args;
use countersign::policy::Policy;
use countersign::token::has_unique_names;
use serde_json::{Value, json};

use crate::command::policy::toml_text::with_visible_strings;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Tone, toned};
use crate::{encoding, input, times};

/// Show what a bundle has, without a check.
#[derive(Args)]
pub(super) struct Arguments {
    /// The bundle; - for standard input
    #[arg(value_name = "BUNDLE")]
    bundle: String,
    /// Print one JSON object: verified (false), header, payload
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) fn run(self) -> Outcome {
        let (header, payload) = content(&input::file(&self.bundle)?).ok_or_else(|| {
            Failure::usage("not a bundle: three segments in base64url with JSON objects, whose names occur once")
        })?;
        if self.json {
            output::json(&json!({ "verified": false, "header": header, "payload": payload }))?;
            return Ok(Exit::Done);
        }
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let time = |name: &str| payload[name].as_i64().map_or_else(|| "missing".to_owned(), times::utc);
        output::line(&toned(Tone::Doubt, "NOT VERIFIED: anyone may have written it; see countersign bundle verify"))?;
        for (label, value) in [
            ("type", text(&header["typ"])),
            ("key", format!("{} ({})", text(&header["kid"]), text(&header["alg"]))),
            ("fleet", text(&payload["aud"])),
            ("revision", text(&payload["revision"])),
            ("created", time("iat")),
            ("expires", time("exp")),
        ] {
            output::line(&output::safe(&format!("{label:9} {value}")))?;
        }
        match Policy::from_json(&payload["policy"].to_string()) {
            Ok(policy) => output::line(&format!("\n{}", with_visible_strings(&policy.to_toml()).trim_end()))?,
            Err(error) => output::line(&toned(Tone::Bad, &output::safe(&format!("policy    {error}"))))?,
        }
        Ok(Exit::Done)
    }
}

/// Header and payload of a compact JWS.
pub(super) fn content(text: &str) -> Option<(Value, Value)> {
    let mut segments = text.trim().split('.');
    let (header, payload, _signature) = (segments.next()?, segments.next()?, segments.next()?);
    let object = |segment: &str| {
        let text = String::from_utf8(encoding::decode(segment)?).ok()?;
        let value: Value = serde_json::from_str(&text).ok()?;
        (value.is_object() && has_unique_names(&text)).then_some(value)
    };
    let content = (object(header)?, object(payload)?);
    segments.next().is_none().then_some(content)
}
