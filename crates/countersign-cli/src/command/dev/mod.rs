//! `countersign dev`: a provider for development on loopback, with users from flags or a file.

mod claims;
mod exchange;
mod provider;
mod shape;
mod users;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use countersign::key::Algorithm;
use serde_json::json;
use tokio::net::TcpListener;

use crate::exit::{EXIT_CODES, Exit, Failure, Outcome};
use crate::server::{Limits, serve};
use crate::tools::keyring;
use crate::{output, runtime, times};
pub(super) use claims::Claims;
use claims::is_taken_for_client;
use provider::Provider;
pub(super) use shape::Shape;
pub(super) use users::User;

/// The largest request body, in bytes.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The address of the service in the guide for beginners.
const SERVICE: &str = "http://127.0.0.1:8080/orders";

/// The port, so that the policy stays the same from run to run.
pub(super) const PORT: u16 = 4100;

/// Run a provider for development: discovery, keys, and tokens for users whom you name, shaped as those of your provider.
///
/// It asks for no password, so it serves only 127.0.0.1. Tokens are signed with the development key of countersign mint,
/// which stays the same between runs; its ID begins with test-only-, which deny_danger refuses in production. It prints the
/// policy for your service, and the curl commands for tokens.
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// The shape of the tokens and addresses
    #[arg(long, value_enum, default_value_t = Shape::Plain)]
    like: Shape,
    /// The audience: the service that the tokens are for
    #[arg(long, value_name = "AUD", default_value = "orders")]
    audience: String,
    /// The client that the users are logged in at
    #[arg(long, value_name = "ID", default_value = "web")]
    client: String,
    /// A user: NAME, NAME:ROLE,ROLE or NAME:ROLE@TENANT; may be repeated. Default: ann:clerk@acme and bob
    #[arg(long = "user", value_name = "USER")]
    users: Vec<String>,
    /// Scopes of a user or a client: NAME=SCOPE, or several separated by spaces; may be repeated. Default for ann and bob:
    /// orders:read, for ann orders:write too; users of --user have none. A client without any gets those that it requests
    #[arg(long = "scope", value_name = "NAME=SCOPE", conflicts_with = "file")]
    scopes: Vec<String>,
    /// Users in TOML: a list of tables named user, each with name, roles, permissions, scopes, tenant and claims
    #[arg(long = "users", value_name = "FILE", conflicts_with = "users")]
    file: Option<PathBuf>,
    /// Lifetime of the tokens: 90, 90s, 10m, 2h
    #[arg(long = "for", value_name = "TIME", default_value = "300")]
    life: String,
    /// The port on 127.0.0.1
    #[arg(long, default_value_t = PORT)]
    port: u16,
    /// Print one JSON object: issuer, jwks, token, users, policy
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(crate) fn run(self) -> Outcome {
        let (users, services) = match &self.file {
            Some(path) => (users::from_file(path)?, Vec::new()),
            None => users::from_flags(&self.users, &self.scopes)?,
        };
        if let Some(user) = users.iter().find(|user| is_taken_for_client(self.like, user, &self.client)) {
            return Err(Failure::usage(format!(
                "user {}: a service would take it for the client {}; name another --user or --client",
                output::safe(&user.name),
                output::safe(&self.client)
            )));
        }
        let life = times::length(&self.life)?;
        let signer = keyring::development_key(Algorithm::ES256)?;
        let runtime = runtime::with_threads(2)?;
        runtime.block_on(async {
            let unusable = |error: std::io::Error| Failure::usage(format!("port {}: {error}", self.port));
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
            let listener = TcpListener::bind(address).await.map_err(unusable)?;
            let origin = format!("http://{}", listener.local_addr().map_err(unusable)?);
            let provider = Provider::new(self.like, origin, &self.audience, &self.client, users, life, signer)
                .with_services(services);
            match self.json {
                true => output::json(&json!({
                    "issuer": provider.issuer(),
                    "jwks": provider.jwks_url(),
                    "token": provider.token_url(),
                    "users": provider.user_urls(),
                    "policy": provider.policy(),
                }))?,
                false => print(&provider)?,
            }
            serve(listener, provider::router(Arc::new(provider)), Limits::new(MAX_BODY_BYTES), std::future::pending())
                .await; // until Ctrl-C
            Ok(Exit::Done)
        })
    }
}

fn print(provider: &Provider) -> Result<(), Failure> {
    output::line(&format!("{} for development  (stop with Ctrl-C)", output::safe(provider.issuer())))?;
    output::line("\nThe policy of your service, in TOML:\n")?;
    output::line(&provider.policy())?;
    output::line("A token of each user, and of a service that calls for itself:\n")?;
    for url in provider.user_urls() {
        output::line(&format!("curl -s {}", output::safe(&url)))?;
    }
    let (url, client) = (provider.token_url(), output::safe(provider.service_name()));
    output::line(&format!("curl -s {url} -d grant_type=client_credentials -d client_id={client}"))?;
    if let Some(user) = provider.user_urls().first() {
        let user = output::safe(user);
        output::line("\nThe same user's token, exchanged by a service for another audience (RFC 8693):\n")?;
        output::line(&format!(
            "curl -s {url} -d client_id={client} -d audience=billing -d grant_type={} -d subject_token=$(curl -s {user})",
            exchange::GRANT
        ))?;
        output::line("\nA request to the service of the guide Getting started; put the address of yours there:\n")?;
        output::line(&format!("curl -i -H \"Authorization: Bearer $(curl -s {user})\" {SERVICE}"))?;
    }
    Ok(())
}
