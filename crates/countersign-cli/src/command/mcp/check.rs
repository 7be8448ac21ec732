//! `countersign mcp check`: prints the findings about one server.

use clap::Args;
use countersign::secret::Secret;
use reqwest::Url;
use serde_json::{Value, json};

use super::endpoint::Endpoint;
use super::findings::Findings;
use super::{authorization, document};
use crate::command::level;
use crate::exit::{EXIT_CODES, Failure, Outcome};
use crate::fetch::{self, ConnectionOptions};
use crate::output;

/// Check what a client of the Model Context Protocol finds at a server, without and with a token.
///
/// Nothing is called: without a token the server is asked to begin a session, which it must refuse; with one it begins a session,
/// which is ended at once.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// The address of the server as clients name it, such as https://mcp.example.com/mcp
    url: String,
    /// Send the token in this environment variable as well, and check the answer
    #[arg(long, value_name = "VARIABLE")]
    token_env: Option<String>,
    /// Check the answer for this tool too. Only the headers name it, so it does not run
    #[arg(long, value_name = "NAME", requires = "token_env")]
    tool: Option<String>,
    #[command(flatten)]
    connection: ConnectionOptions,
    /// Print one JSON object: url, metadata, authorization_servers, scopes, findings
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) async fn run(self) -> Outcome {
        self.connection.settings()?;
        let url = fetch::address(&self.url)?;
        if url.fragment().is_some() {
            return Err(Failure::usage("the address has a fragment, which no resource identifier has; remove it"));
        }
        if self.tool.as_ref().is_some_and(|name| name.is_empty() || name.bytes().any(|byte| !byte.is_ascii_graphic())) {
            return Err(Failure::usage("--tool is not a name of letters, digits and marks"));
        }
        let token = self.token()?;
        let found = self.examine(url, token.as_ref()).await;
        match self.json {
            true => output::json(&as_json(&self.url, &found))?,
            false => print(&found)?,
        }
        Ok(level::exit(found.is_unreachable, found.list.iter().map(|finding| finding.level)))
    }

    fn token(&self) -> Result<Option<Secret<String>>, Failure> {
        let Some(variable) = &self.token_env else { return Ok(None) };
        let token = Secret::from_env(variable).map_err(|error| Failure::usage(error.to_string()))?;
        if fetch::bearer(token.expose().trim()).is_none() {
            return Err(Failure::usage(format!("${variable} has characters that no header can have")));
        }
        Ok(Some(Secret::from(token.expose().trim())))
    }

    async fn examine(&self, url: Url, token: Option<&Secret<String>>) -> Findings {
        let mut found = Findings::default();
        let endpoint = Endpoint { url, connection: &self.connection };
        let Some(challenge) = endpoint.without_token(&mut found).await else { return found };
        found.scopes.clone_from(&challenge.scopes);
        if let Some(document) = document::find(&endpoint, &challenge, &mut found).await {
            for server in &document.authorization_servers {
                authorization::examine(&endpoint, server, &challenge.scopes, &mut found).await;
            }
            found.authorization_servers = document.authorization_servers;
        }
        if let Some(token) = token {
            endpoint.with_token(token, &challenge, &mut found).await;
            if let Some(tool) = &self.tool {
                endpoint.with_tool((token, tool), &challenge, &mut found).await;
            }
        }
        found
    }
}

fn as_json(url: &str, found: &Findings) -> Value {
    let findings = found.list.iter().map(|finding| {
        json!({ "level": finding.level.word(), "code": finding.code, "text": finding.text, "remedy": finding.remedy })
    });
    json!({
        "url": url,
        "metadata": found.metadata,
        "authorization_servers": found.authorization_servers,
        "scopes": found.scopes,
        "findings": findings.collect::<Vec<_>>(),
    })
}

fn print(found: &Findings) -> Result<(), Failure> {
    for finding in &found.list {
        let mark = finding.level.mark();
        output::line(&format!("{mark} {:<21} {}", finding.code, finding.text))?;
        if let Some(remedy) = &finding.remedy {
            output::line(&format!("{:29} to do: {remedy}", ""))?;
        }
    }
    Ok(())
}
