//! `countersign mint`: signs tokens for tests and development, invalid ones too.

use clap::{Args, ValueEnum};
use countersign::clock::{Clock, SystemClock};
use countersign::key::Algorithm;
use countersign::mint::Signer;
use serde_json::{Map, Value, json};

use crate::exit::{EXIT_CODES, Exit, Failure, Outcome};
use crate::tools::{keyring, shell};
use crate::{encoding, input, output, times};

/// Default lifetime of a token, in seconds.
const LIFE: u64 = 300;

/// Mint a token. Without --key it is signed with a development key, created on first use with the ID test-only-dev:
/// services trust it only if you configure them to (countersign jwks build prints its public part).
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// Issuer (iss)
    #[arg(long, value_name = "ISS")]
    issuer: Option<String>,
    /// Audience (aud); repeat for a list
    #[arg(long, value_name = "AUD")]
    audience: Vec<String>,
    /// Subject (sub)
    #[arg(long, value_name = "SUB")]
    subject: Option<String>,
    /// Client (client_id)
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Scope (scope); may be repeated
    #[arg(long)]
    scope: Vec<String>,
    /// Role (roles); repeat for a list
    #[arg(long)]
    role: Vec<String>,
    /// Any claim: NAME=VALUE, with a value of JSON or text; NAME may be a path such as realm_access.roles
    #[arg(long, value_name = "NAME=VALUE")]
    claim: Vec<String>,
    /// Bind the token to the key pair in this file (cnf.jkt), for proofs of countersign dpop
    #[arg(long, value_name = "FILE")]
    bound_to: Option<String>,
    /// A header member: NAME=VALUE
    #[arg(long, value_name = "NAME=VALUE")]
    header: Vec<String>,
    /// The typ header
    #[arg(long, value_name = "TYP", default_value = "at+jwt")]
    typ: String,
    /// Lifetime: 90, 90s, 10m, 2h, 7d
    #[arg(long = "for", value_name = "TIME")]
    life: Option<String>,
    /// Time of issue; defaults to now
    #[arg(long, value_name = "UNIX_SECONDS")]
    now: Option<u64>,
    /// A private key in PEM (PKCS#8)
    #[arg(long, value_name = "FILE")]
    key: Option<String>,
    /// A shared secret, for --alg HS256, HS384, HS512; - for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    secret: Option<String>,
    /// The algorithm; defaults to the one that fits the key
    #[arg(long, value_name = "ALG")]
    alg: Option<String>,
    /// The key ID; defaults to the thumbprint of --key, to shared for --secret, and to that of the development key
    #[arg(long, value_name = "KID", allow_hyphen_values = true)]
    kid: Option<String>,
    /// Make the token invalid, to test refusals
    #[arg(long, value_name = "HOW")]
    broken: Option<Broken>,
    /// Print a curl command for this URL instead of the token
    #[arg(long, value_name = "URL")]
    curl: Option<String>,
    /// Print one JSON object: token, kid, alg, expires_at, jwk
    #[arg(long, conflicts_with = "curl")]
    json: bool,
}

/// A defect of a minted token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Broken {
    /// Expired an hour ago
    Expired,
    /// Not valid for another hour
    NotYet,
    /// For another service
    WrongAud,
    /// From another issuer
    WrongIss,
    /// Without exp
    NoExp,
    /// Without aud
    NoAud,
    /// A signature that does not match
    BadSig,
    /// alg none, without a signature
    AlgNone,
    /// An unknown key
    UnknownKid,
    /// A claim of 64 KiB
    Huge,
}

impl Arguments {
    pub(crate) fn run(self) -> Outcome {
        let now = self.now.unwrap_or_else(|| SystemClock.now().as_secs());
        let signer = self.signer()?;
        let claims = self.claims(now)?;
        let expires_at = claims.get("exp").cloned();
        let token = self.signed(&signer, &claims)?;
        if let Some(url) = &self.curl {
            if self.bound_to.is_some() {
                return Err(Failure::usage(
                    "a bound token needs a proof; pass the token to countersign dpop proof --curl",
                ));
            }
            output::line(&shell::curl(&token, url))?;
        } else if self.json {
            output::json(&json!({
                "token": token,
                "kid": Some(signer.key_id()).filter(|key_id| !key_id.is_empty()),
                "alg": signer.algorithm().name(),
                "expires_at": expires_at,
                "jwk": signer.public_jwk(),
            }))?;
        } else {
            output::line(&token)?;
        }
        Ok(Exit::Done)
    }

    fn signer(&self) -> Result<Signer, Failure> {
        let named = self.alg.as_deref().map(keyring::algorithm).transpose()?;
        let signer = match (&self.key, &self.secret) {
            (Some(path), _) => keyring::private_key(&input::file(path)?, named)?,
            (None, Some(path)) => keyring::shared_secret(&input::file(path)?, named)?,
            (None, None) => keyring::development_key(named.unwrap_or(Algorithm::ES256))?,
        };
        Ok(match &self.kid {
            Some(name) => signer.with_key_id(name),
            None => signer,
        })
    }

    fn claims(&self, now: u64) -> Result<Map<String, Value>, Failure> {
        let life = self.life.as_deref().map(times::length).transpose()?.unwrap_or(LIFE);
        let mut claims = Map::new();
        let mut put = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
        put("jti", json!(uuid::Uuid::now_v7().to_string()));
        put("iat", json!(now));
        put("exp", json!(now.saturating_add(life)));
        for (name, value) in [("iss", &self.issuer), ("sub", &self.subject), ("client_id", &self.client_id)] {
            if let Some(value) = value {
                put(name, json!(value));
            }
        }
        match self.audience.as_slice() {
            [] => {}
            [one] => put("aud", json!(one)),
            several => put("aud", json!(several)),
        }
        if !self.scope.is_empty() {
            put("scope", json!(self.scope.join(" ")));
        }
        if !self.role.is_empty() {
            put("roles", json!(self.role));
        }
        for claim in &self.claim {
            let (name, value) = member(claim)?;
            insert_at(&mut claims, name, value)?;
        }
        if let Some(path) = &self.bound_to {
            let key = keyring::private_key(&input::file(path)?, None)?.verifying_key();
            let key = key.map_err(|reason| Failure::usage(reason.to_string()))?;
            insert_at(&mut claims, "cnf.jkt", json!(key.thumbprint()))?;
        }
        self.broken_claims(&mut claims, now);
        for (name, option) in [("iss", "--issuer"), ("aud", "--audience")] {
            let is_omitted = name == "aud" && self.broken == Some(Broken::NoAud);
            if !claims.contains_key(name) && !is_omitted {
                return Err(Failure::usage(format!("{name} is missing; add {option}")));
            }
        }
        Ok(claims)
    }

    fn broken_claims(&self, claims: &mut Map<String, Value>, now: u64) {
        /// One hour, more than any leeway.
        const FAR: u64 = 3600;
        let mut put = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
        match self.broken {
            Some(Broken::Expired) => {
                put("iat", json!(now.saturating_sub(2 * FAR)));
                put("exp", json!(now.saturating_sub(FAR)));
            }
            Some(Broken::NotYet) => {
                put("nbf", json!(now.saturating_add(FAR)));
                put("exp", json!(now.saturating_add(2 * FAR)));
            }
            Some(Broken::WrongAud) => put("aud", json!("another-service")),
            Some(Broken::WrongIss) => put("iss", json!("https://another-issuer.test")),
            Some(Broken::NoExp) => drop(claims.remove("exp")),
            Some(Broken::NoAud) => drop(claims.remove("aud")),
            Some(Broken::Huge) => put("padding", json!("x".repeat(64 * 1024))),
            Some(Broken::BadSig | Broken::AlgNone | Broken::UnknownKid) | None => {}
        }
    }

    fn signed(&self, signer: &Signer, claims: &Map<String, Value>) -> Result<String, Failure> {
        let mut header = Map::new();
        header.insert("alg".to_owned(), json!(signer.algorithm().name()));
        if !signer.key_id().is_empty() {
            header.insert("kid".to_owned(), json!(signer.key_id()));
        }
        header.insert("typ".to_owned(), json!(self.typ));
        for text in &self.header {
            let (name, value) = member(text)?;
            header.insert(name.to_owned(), value);
        }
        match self.broken {
            Some(Broken::UnknownKid) => drop(header.insert("kid".to_owned(), json!("nobody-has-it"))),
            Some(Broken::AlgNone) => drop(header.insert("alg".to_owned(), json!("none"))),
            _ => {}
        }
        let payload = Value::Object(claims.clone()).to_string();
        let token = signer
            .sign_compact(Value::Object(header).to_string().as_bytes(), payload.as_bytes())
            .ok_or_else(|| Failure::usage("signing failed"))?;
        let (signed, signature) = token.rsplit_once('.').unwrap_or_default();
        Ok(match self.broken {
            Some(Broken::AlgNone) => format!("{signed}."),
            Some(Broken::BadSig) => {
                let mut bytes = encoding::decode(signature).unwrap_or_default();
                if let Some(byte) = bytes.last_mut() {
                    *byte ^= 1;
                }
                format!("{signed}.{}", encoding::encode(&bytes))
            }
            _ => token,
        })
    }
}

/// `NAME=VALUE`; the value may contain `=`, and is text if it is not JSON.
fn member(text: &str) -> Result<(&str, Value), Failure> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| Failure::usage(format!("{}: write NAME=VALUE", output::safe(text))))?;
    Ok((name, serde_json::from_str(value).unwrap_or_else(|_| json!(value))))
}

/// Sets `value` at a path such as `realm_access.roles`; a URL is a single name.
fn insert_at(claims: &mut Map<String, Value>, path: &str, value: Value) -> Result<(), Failure> {
    let Some((first, rest)) = path.split_once('.').filter(|_| !path.contains("://")) else {
        claims.insert(path.to_owned(), value);
        return Ok(());
    };
    let inner = claims.entry(first).or_insert_with(|| json!({}));
    let inner = inner
        .as_object_mut()
        .ok_or_else(|| Failure::usage(format!("{}: {first} is not an object", output::safe(path))))?;
    insert_at(inner, rest, value)
}
