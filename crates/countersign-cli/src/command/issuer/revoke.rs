//! `countersign revoke`: revokes tokens of a running service, or in its store.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args};
use countersign_core::clock::UnixTime;
use countersign_core::revocation::{InvalidNotice, RevocationNotice};
use countersign_issuer::IssuerConfig;
use serde_json::Value;

use super::control::{ControlRequest, Revoked};
use super::reach::{InService, in_service, in_store};
use crate::exit::{EXIT_CODES, Exit, Failure, Outcome};
use crate::{input, output, times};

/// The longest lifetime of a token of the service.
const LONGEST_TOKEN: Duration = Duration::from_secs(3600);

/// Revoke tokens of a token service: of the running service with this configuration, otherwise in its store.
///
/// The service then reports them as inactive and does not exchange them. Services that follow its revocations refuse them
/// within seconds. It cannot be undone; new tokens are not affected.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
#[command(group = ArgGroup::new("tokens").required(true).args(["token", "jti", "session", "subject", "client", "all"]))]
pub(crate) struct Arguments {
    /// The configuration file of the service, as for countersign issuer
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The token in this file, or on standard input (-)
    #[arg(long, value_name = "FILE")]
    token: Option<String>,
    /// The token with this ID (jti)
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    jti: Option<String>,
    /// With --jti: the index of the token, counted through all status lists, as it was stored when the token was minted. With
    /// --token it is read from the token
    #[arg(long, value_name = "INDEX", conflicts_with_all = ["token", "session", "subject", "client", "all"])]
    status_index: Option<u64>,
    /// The tokens of the session with this ID (sid)
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    session: Option<String>,
    /// The tokens of this subject (sub), and those with which it acts for others
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    subject: Option<String>,
    /// The tokens that were issued to this client
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    client: Option<String>,
    /// All tokens of the service
    #[arg(long)]
    all: bool,
    /// With --subject, --client and --all: those that were issued before this time, in seconds since 1970 [default: now]
    #[arg(long, value_name = "UNIX_SECONDS", conflicts_with_all = ["token", "jti", "session"])]
    before: Option<u64>,
    /// Print one JSON object: issuer, revoked (the kind), before
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(crate) fn run(self) -> Outcome {
        let config = IssuerConfig::from_file(&self.config)?;
        let request = ControlRequest::RevokeTokens(self.revoked(&config.issuer)?);
        let answer = match in_service(&config, &self.config, &request)? {
            InService::Answer(answer) => answer,
            InService::Nobody => in_store(&config, &request)?,
            InService::Unknown => {
                output::warn(
                    "the service received the request and did not answer, so the result is unknown; try again",
                );
                return Ok(Exit::Undecided);
            }
        };
        match (answer, self.json) {
            (Err(problem), _) => {
                output::warn(&problem);
                return Ok(Exit::Rejected);
            }
            (Ok(revoked), true) => output::json(&revoked)?,
            (Ok(revoked), false) => output::line(&sentence(&revoked))?,
        }
        Ok(Exit::Done)
    }

    /// The tokens that the options revoke.
    fn revoked(&self, issuer: &str) -> Result<Revoked, Failure> {
        if let Some(place) = &self.token {
            return of_token(&input::file(place)?, issuer);
        }
        Ok(Revoked { notice: self.notice(issuer)?.to_json(), index: self.status_index, place: None })
    }

    /// The revocation that the options mean, other than `--token`.
    fn notice(&self, issuer: &str) -> Result<RevocationNotice, Failure> {
        let now = UnixTime::from_secs(u64::try_from(times::now()).unwrap_or_default());
        let before = match self.before.map(UnixTime::from_secs) {
            Some(before) if before > now => {
                return Err(Failure::usage(
                    "--before is later than now, and a revocation cannot be undone; name a time that is over",
                ));
            }
            before => before.unwrap_or(now),
        };
        let end = now.saturating_add(LONGEST_TOKEN);
        let of_name = |name: &Option<String>, notice: &dyn Fn(&str) -> Result<RevocationNotice, InvalidNotice>| {
            name.as_deref().map(notice)
        };
        let notice = if let Some(notice) = of_name(&self.jti, &|id| RevocationNotice::token(issuer, id, end)) {
            notice
        } else if let Some(notice) = of_name(&self.session, &|id| RevocationNotice::session(issuer, id, end)) {
            notice
        } else if let Some(notice) =
            of_name(&self.subject, &|name| RevocationNotice::subject(issuer, name, before, UnixTime::MAX))
        {
            notice
        } else if let Some(notice) =
            of_name(&self.client, &|name| RevocationNotice::client(issuer, name, before, UnixTime::MAX))
        {
            notice
        } else {
            RevocationNotice::all(issuer, before, UnixTime::MAX)
        };
        notice.map_err(|error| Failure::usage(error.to_string()))
    }
}

/// The revocation of a token of this issuer, and its place in a status list. The token itself is sent nowhere.
fn of_token(text: &str, issuer: &str) -> Result<Revoked, Failure> {
    let token = input::unwrapped(text);
    let payload = token.split('.').nth(1).and_then(|part| base64_simd::URL_SAFE_NO_PAD.decode_to_vec(part).ok());
    let claims = payload.and_then(|payload| serde_json::from_slice::<Value>(&payload).ok());
    let Some(claims) = claims else {
        return Err(Failure::usage(
            "--token: this is no signed token; name a file that has one, or - for standard input",
        ));
    };
    if claims["iss"] != issuer {
        return Err(Failure::usage(format!("--token: the token is not of {}", output::safe(issuer))));
    }
    let (Some(id), Some(expires_at)) = (claims["jti"].as_str(), claims["exp"].as_u64()) else {
        return Err(Failure::usage("--token: the token has no jti and exp; revoke its subject, client or session"));
    };
    let notice = RevocationNotice::token(issuer, id, UnixTime::from_secs(expires_at));
    let notice = notice.map_err(|error| Failure::usage(error.to_string()))?.to_json();
    let listed = &claims["status"]["status_list"];
    let place = listed["uri"].as_str().map(str::to_owned).zip(listed["idx"].as_u64());
    Ok(Revoked { notice, index: None, place })
}

/// The outcome, for people.
fn sentence(revoked: &Value) -> String {
    let issuer = output::safe(revoked["issuer"].as_str().unwrap_or_default());
    let what = match revoked["revoked"].as_str() {
        Some("token") => "a token",
        Some("session") => "the tokens of a session",
        Some("subject") => "the tokens of a subject",
        Some("client") => "the tokens of a client",
        _ => "all tokens",
    };
    let before = revoked["before"].as_i64().map(|at| format!(" issued before {}", times::utc(at)));
    format!("{issuer}: revoked {what}{}", before.unwrap_or_default())
}
