//! The embedded issuer, and the tokens of those who call.

use std::time::Duration;

use countersign::clock::{Clock, SystemClock};
use countersign::revocation::RevocationNotice;
use countersign::secret::Secret;
use countersign_core::mint::Draft;
use countersign_issuer::{Audience, Issuer};

use crate::Result;
use crate::bundles::SERVICES;
use crate::server::{Server, listen};

/// The longest lifetime of a token.
const HOUR: Duration = Duration::from_secs(3600);

/// Somebody whose tokens call the services.
#[derive(Clone, Copy)]
pub struct Caller {
    pub subject: &'static str,
    pub client: &'static str,
    /// The session that a login began.
    pub session: Option<&'static str>,
    pub scope: &'static str,
    /// The lifetime of a token, in minutes.
    pub minutes: u64,
}

pub const ANN: Caller =
    Caller { subject: "ann", client: "web-shop", session: Some("session-of-ann"), scope: "items:read", minutes: 5 };
pub const BOB: Caller = Caller { subject: "bob", session: Some("session-of-bob"), ..ANN };

/// A job that nobody listed.
pub const OLD_BATCH: Caller =
    Caller { subject: "night-job", client: "old-batch", session: None, scope: "items:read", minutes: 5 };

/// A partner, whose tokens live for half an hour.
pub const PARTNER: Caller =
    Caller { subject: "acme-sync", client: "partner-hub", session: None, scope: "items:read", minutes: 30 };

/// The operator, who reads the reports of single services.
pub const OPERATOR: Caller =
    Caller { subject: "olga", client: "operations", session: None, scope: "fleet:read", minutes: 5 };

/// The running issuer.
pub struct TokenService {
    pub issuer: Issuer,
    server: Server,
}

/// A token for each service, in the order of [`SERVICES`].
#[derive(Clone)]
pub struct Tokens([Secret<String>; SERVICES.len()]);

impl Tokens {
    /// The token for this service.
    pub fn of(&self, service: &str) -> &Secret<String> {
        let place = SERVICES.iter().position(|known| *known == service).unwrap_or_default();
        &self.0[place]
    }

    /// Every token for the service after its own: all of them are refused.
    pub fn misplaced(mut self) -> Self {
        self.0.rotate_left(1);
        self
    }
}

impl TokenService {
    pub async fn start() -> Result<Self> {
        let (listener, url) = listen().await?;
        let audiences = SERVICES.map(|service| Audience::new(service).scopes(["items:read", "fleet:read"]));
        let builder = audiences.into_iter().fold(Issuer::builder(&url), |builder, one| builder.add_audience(one));
        let issuer = builder.token_lifetime(HOUR).build()?;
        let server = Server::start(listener, &url, issuer.router());
        Ok(TokenService { issuer, server })
    }

    pub fn url(&self) -> &str {
        &self.server.url
    }

    /// New tokens of a caller, one for each service.
    pub async fn tokens(&self, caller: &Caller) -> Result<Tokens> {
        let [a, b, c, d] = SERVICES;
        let tokens = [
            self.token(caller, a).await?,
            self.token(caller, b).await?,
            self.token(caller, c).await?,
            self.token(caller, d).await?,
        ];
        Ok(Tokens(tokens))
    }

    async fn token(&self, caller: &Caller, audience: &str) -> Result<Secret<String>> {
        let lifetime = Duration::from_secs(caller.minutes * 60);
        let draft = Draft::access_token().subject(caller.subject).client_id(caller.client).audience(audience);
        let draft = draft.scope(caller.scope).expires_at(SystemClock.now().saturating_add(lifetime));
        let draft = caller.session.into_iter().fold(draft, |draft, session| draft.claim("sid", session));
        Ok(Secret::from(self.issuer.mint_async(&draft).await?.as_str().to_owned()))
    }

    /// Revokes a session. The issuer stores that first.
    pub async fn revoke_session(&self, session: &str) -> Result<()> {
        let ends = SystemClock.now().saturating_add(HOUR);
        self.issuer.revoke(RevocationNotice::session(self.issuer.name(), session, ends)?).await?;
        Ok(())
    }
}
