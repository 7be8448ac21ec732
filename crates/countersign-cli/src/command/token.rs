//! `countersign token get`: fetches a token with the library's outbound code.

use std::sync::Arc;

use clap::{Args, Subcommand};
use countersign::authenticate::CallerToken;
use countersign::clock::{Clock, SystemClock};
use countersign::inspect::inspect;
use countersign::outbound::{ClientCredentials, OutboundContext, OutboundError, TokenRequest, TokenSource};
use countersign::secret::Secret;
use serde_json::json;

use crate::claim_text;
use crate::exit::{EXIT_CODES, Exit, Failure, Outcome};
use crate::fetch::ConnectionOptions;
use crate::tools::keyring;
use crate::{input, output, runtime};

/// The environment variable with the client's secret, if no option names a file.
const SECRET_VARIABLE: &str = "COUNTERSIGN_CLIENT_SECRET";

/// Get tokens as a service does.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Fetch a token by client credentials, or by token exchange (--subject-token)
    Get(Box<Get>),
}

/// The client's secret comes from $COUNTERSIGN_CLIENT_SECRET, or from --secret FILE; a key from --key FILE.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
struct Get {
    /// The issuer; its metadata names the token endpoint
    #[arg(long, value_name = "ISS", required_unless_present = "endpoint")]
    issuer: Option<String>,
    /// The token endpoint; with --key, --issuer is still required
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// The client
    #[arg(long, value_name = "ID")]
    client: String,
    /// A file with the client's secret; - for standard input
    #[arg(long, value_name = "FILE")]
    secret: Option<String>,
    /// The client's private key in PEM, to sign an assertion (private_key_jwt)
    #[arg(long, value_name = "FILE", conflicts_with = "secret")]
    key: Option<String>,
    /// The key ID at the issuer; defaults to the thumbprint
    #[arg(long, value_name = "KID", allow_hyphen_values = true, requires = "key")]
    kid: Option<String>,
    /// Send the secret in the form, not in the header
    #[arg(long)]
    post: bool,
    /// The requested audience; may be repeated
    #[arg(long, value_name = "AUD")]
    audience: Vec<String>,
    /// The requested resource (RFC 8707); may be repeated
    #[arg(long, value_name = "URL")]
    resource: Vec<String>,
    /// The requested scope; may be repeated
    #[arg(long)]
    scope: Vec<String>,
    /// Exchange this token (RFC 8693): @FILE, or - for standard input
    #[arg(long, value_name = "@FILE|-")]
    subject_token: Option<String>,
    #[command(flatten)]
    connection: ConnectionOptions,
    /// Print one JSON object: access_token, token_type, expires_in, scope
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(crate) fn run(self) -> Outcome {
        let Action::Get(get) = self.action;
        let runtime = runtime::current_thread()?;
        runtime.block_on(get.run())
    }
}

impl Get {
    async fn run(self) -> Outcome {
        let source = self.source()?;
        let context = OutboundContext::new(Arc::new(SystemClock));
        let faults: Vec<String> =
            source.attach(&context).iter().map(|fault| format!("{}: {}", fault.field, fault.problem)).collect();
        if !faults.is_empty() {
            return Err(Failure::usage(faults.join("; ")));
        }
        let mut request = TokenRequest::default();
        if let Some(subject) = &self.subject_token {
            request.subject = Some(caller(&input::unwrapped(&input::token(Some(subject))?)));
        }
        let token = match source.token(&request).await {
            Ok(token) => token,
            Err(error) => return failed(&error),
        };
        let seconds = token.lifetime().map(|life| life.as_secs());
        match self.json {
            true => output::json(&json!({
                "access_token": token.expose(),
                "token_type": "Bearer",
                "expires_in": seconds,
                "scope": token.scope(),
            }))?,
            false => output::line(token.expose())?,
        }
        Ok(Exit::Done)
    }

    fn source(&self) -> Result<ClientCredentials, Failure> {
        let mut source = match (&self.endpoint, &self.issuer) {
            (Some(endpoint), _) => ClientCredentials::from_token_endpoint(endpoint),
            (None, Some(issuer)) => ClientCredentials::from_issuer(issuer),
            (None, None) => {
                return Err(Failure::usage("the token endpoint is missing; add --issuer ISS or --endpoint URL"));
            }
        };
        source = match &self.key {
            Some(path) => {
                let mut signer = keyring::private_key(&input::file(path)?, None)?;
                if let Some(name) = &self.kid {
                    signer = signer.with_key_id(name);
                }
                source.client_key(&self.client, signer)
            }
            None => source.client(&self.client, self.client_secret()?),
        };
        if let (Some(_), Some(issuer)) = (&self.endpoint, &self.issuer) {
            source = source.assertion_audience(issuer);
        }
        source = source.connection(self.connection.settings()?);
        if self.post {
            source = source.client_secret_post();
        }
        source = self.audience.iter().fold(source, ClientCredentials::add_audience);
        source = self.resource.iter().fold(source, ClientCredentials::add_resource);
        Ok(self.scope.iter().fold(source, ClientCredentials::scope))
    }

    fn client_secret(&self) -> Result<Secret<String>, Failure> {
        if let Some(path) = &self.secret {
            return Ok(Secret::from(input::file(path)?.trim()));
        }
        Secret::from_env(SECRET_VARIABLE).map_err(|_| {
            Failure::usage(format!("the client's secret is missing; set {SECRET_VARIABLE}, or add --secret or --key"))
        })
    }
}

/// The subject token as a caller's token; only the token service verifies it.
fn caller(token: &str) -> CallerToken {
    let inspection = inspect(token);
    let expires = inspection.payload().and_then(|claims| claims.get("exp")).and_then(claim_text::seconds);
    let expires = expires.and_then(|expires| u64::try_from(expires).ok());
    let expires = expires.map_or_else(|| SystemClock.now(), countersign::clock::UnixTime::from_secs);
    CallerToken::unverified(&Secret::from(token), expires)
}

/// Prints an error; a refusal is a result, a missing response is undecided.
fn failed(error: &OutboundError) -> Outcome {
    let oauth = error.oauth_error().map(|code| format!(" ({})", output::safe(code))).unwrap_or_default();
    let text = error.to_string(); // begins with the code
    let detail = text.strip_prefix(error.code()).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&text);
    output::warn(&output::safe(&format!("{}{oauth}: {detail}", error.code())));
    Ok(if error.is_transient() { Exit::Undecided } else { Exit::Rejected })
}
