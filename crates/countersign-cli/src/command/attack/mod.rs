//! `countersign attack`: the attack list of the test kit against a running service, for CI.

mod bound;
mod junit;
mod results;
mod target;

use std::path::PathBuf;

use clap::Args;
use countersign::key::Algorithm;
use countersign_test::{Attack, TestIssuer, TestKey, TokenDraft};

use super::dev::{self, Shape, User};
use crate::exit::{EXIT_CODES, Exit, Failure, Outcome};
use crate::fetch::ConnectionOptions;
use crate::tools::keyring;
use crate::{output, runtime};
use results::{Row, Run};
use target::Target;

/// Send every attack of the test kit to a running service, and report what got through.
///
/// The tokens are signed with the development key: let the service trust the provider of countersign dev, with the same
/// --like and --audience. A valid token is sent first and last; unless both are accepted, the refusals prove nothing and the
/// exit code is 3. Exit code 0: every attack was refused; 1: one got through, or was answered oddly.
///
/// Attacks on tokens that are bound to a key (DPoP) are sent if the service accepts such a token with its proof, and else skipped.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// A guarded URL of the service
    url: String,
    /// The method
    #[arg(long, value_name = "METHOD", default_value = "GET")]
    method: String,
    /// The shape of the tokens, as of countersign dev
    #[arg(long, value_enum, default_value_t = Shape::Plain)]
    like: Shape,
    /// The issuer; by default that of countersign dev
    #[arg(long, value_name = "ISS")]
    issuer: Option<String>,
    /// The audience of the service
    #[arg(long, value_name = "AUD", default_value = "orders")]
    audience: String,
    /// The user whom the service lets in: NAME:ROLE,ROLE@TENANT
    #[arg(long, value_name = "USER", default_value = "ann:clerk@acme")]
    user: String,
    /// A scope of the user; may be repeated
    #[arg(long)]
    scope: Vec<String>,
    /// The client
    #[arg(long, value_name = "ID", default_value = "web")]
    client: String,
    /// The address of the URL as proofs name it, if the service is configured with another
    #[arg(long, value_name = "URL")]
    external_url: Option<String>,
    /// Write the results as JUnit XML to this file
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    #[command(flatten)]
    connection: ConnectionOptions,
    /// Print one JSON object: url, message, proves, valid, without_token, attacks, skipped
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(crate) fn run(mut self) -> Outcome {
        let url = reqwest::Url::parse(&self.url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.ok_or_else(|| Failure::usage(format!("{}: not a URL", output::safe(&self.url))))?;
        let (draft, key) = self.draft()?;
        let external = self.external_url.clone().unwrap_or_else(|| url.to_string());
        let target = Target::new(&self.connection, url, &self.method)?;
        let runtime = runtime::current_thread()?;
        let run = runtime.block_on(attack(&target, &draft, &key, &external));
        if let Some(path) = self.junit.take() {
            let text = junit::report(&self.url, &run);
            std::fs::write(&path, text).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
        }
        match self.json {
            true => output::json(&run.as_json(&self.url))?,
            false => run.print()?,
        }
        Ok(run.exit)
    }

    /// A valid token of the user, to be forged, and the key of a client.
    fn draft(&self) -> Result<(TokenDraft, TestKey), Failure> {
        let mut user = User::parse(&self.user)?;
        user.scopes.clone_from(&self.scope);
        let origin = format!("http://127.0.0.1:{}", dev::PORT);
        let issuer = self.issuer.clone().unwrap_or_else(|| self.like.issuer(&origin));
        let claims = dev::Claims {
            shape: self.like,
            issuer: &issuer,
            audience: &self.audience,
            client: &self.client,
            user: &user,
            is_service: false,
        };
        let signer = keyring::development_key(Algorithm::ES256)?;
        let kit = TestIssuer::with_system_clock().with_name(&issuer).with_key(signer);
        let fresh = kit.token();
        let bare = fresh.claims().keys().filter(|name| !matches!(name.as_str(), "iat" | "exp")).cloned();
        let bare = bare.collect::<Vec<_>>().into_iter().fold(fresh, TokenDraft::without_claim);
        let draft = claims.build().into_iter().fold(bare, |draft, (name, value)| draft.claim(name, value));
        Ok((draft.header("typ", self.like.token_type()), TestKey::new(kit.clock())))
    }
}

async fn attack(target: &Target, draft: &TokenDraft, key: &TestKey, external: &str) -> Run {
    let mut run = Run {
        valid: Vec::new(),
        without_token: None,
        rows: Vec::new(),
        skipped: Vec::new(),
        message: String::new(),
        exit: Exit::Undecided,
    };
    let first = target.send(Some(&draft.sign())).await;
    run.valid.push(first.as_ref().ok().map(|answer| answer.status));
    match &first {
        Err(problem) => {
            run.message = format!("Nothing is shown: {problem}.");
            return run;
        }
        Ok(answer) if !answer.is_success() => {
            run.message = format!(
                "Nothing is shown: the valid token was answered with {}{}. Let the service trust the provider of countersign \
                 dev with this issuer and audience, and name a user whom this route lets in.",
                answer.status, answer.challenge
            );
            return run;
        }
        Ok(_) => {}
    }
    run.without_token = target.send(None).await.ok().map(|answer| answer.status);
    for attack in Attack::ALL {
        let answer = target.send(Some(&draft.clone().hostile(*attack).sign())).await;
        let status = answer.ok().map(|answer| answer.status);
        let outcome = status.map_or("not answered", crate::tools::attacks::outcome);
        run.rows.push(Row { name: attack.name(), status, expected: attack.expected_status(), outcome });
    }
    bound::attack(target, draft, key, external, &mut run).await;
    let last = target.send(Some(&draft.sign())).await.ok().map(|answer| answer.status);
    run.valid.push(last);
    let count = |outcome: &str| run.rows.iter().filter(|row| row.outcome == outcome).count();
    let (through, all) = (count("got through"), run.rows.len());
    let others = all - through - count("refused");
    let is_open = run.without_token.is_some_and(|status| (200..300).contains(&status));
    let is_served = last.is_some_and(|status| (200..300).contains(&status));
    (run.message, run.exit) = match (is_open, through, is_served, others) {
        (true, ..) => ("The service answers without a token: is the route guarded?".to_owned(), Exit::Rejected),
        (_, 1.., ..) => (format!("{through} of {all} attacks got through."), Exit::Rejected),
        (_, _, false, _) => {
            let status = last.map_or_else(|| "nothing".to_owned(), |status| status.to_string());
            (
                format!(
                    "Nothing is shown: after the attacks the valid token was answered with {status}; is there a rate limit?"
                ),
                Exit::Undecided,
            )
        }
        (_, _, _, 1..) => (format!("{others} of {all} attacks were answered oddly, or not at all."), Exit::Rejected),
        _ => (format!("None of {all} attacks got through."), Exit::Done),
    };
    run
}
