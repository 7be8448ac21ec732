//! Floods of the embedded issuer: wrong secrets and unknown clients beside a client that authenticates.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use base64_simd::STANDARD as BASE64;
use countersign_core::secret::Secret;
use countersign_issuer::{Audience, Client, Issuer, SecretHash};
use http::Request;
use tower_service::Service as _;

use crate::Result;
use crate::flood::{Flood, Load, Size};

/// Clients of the harmless load, each of which authenticates once.
const CLIENTS: usize = 2_000;

/// A check takes some 25 ms of one core: the load is about one core's.
const SIZE: Size = Size { rounds: 8, followed: 25, beside: (Duration::from_millis(1_000), Duration::from_millis(30)) };

/// The parameters of a request that is granted, and of one that is refused after authentication.
const GRANTED: &str = "grant_type=client_credentials&audience=orders";
const REFUSED: &str = "grant_type=client_credentials&audience=orders&scope=nothing";

pub(crate) struct TokenService {
    router: Router,
    secret: Secret<String>,
}

impl TokenService {
    fn start() -> Result<Self> {
        let (secret, hash) = SecretHash::generate()?;
        let names = (0..CLIENTS).map(|number| format!("harmless-{number}")).chain(["good".to_owned()]);
        let issuer = names
            .fold(Issuer::builder("https://issuer.test").add_audience(Audience::new("orders")), |issuer, name| {
                issuer.add_client(Client::new(name).secret(hash.clone()).audiences(["orders"]))
            });
        Ok(TokenService { router: issuer.build()?.router(), secret })
    }

    pub(crate) fn floods() -> Result<Vec<Flood>> {
        let wrong = |number: usize| ("good".to_owned(), format!("wrong-secret-number-{number}-of-this-flood"));
        let unknown = |number: usize| (format!("client-{number}"), format!("secret-number-{number}-of-this-flood"));
        let registered =
            |number: usize| (format!("harmless-{number}"), format!("secret-number-{number}-of-this-flood"));
        // A service of its own for each, whose clients have not authenticated yet.
        Ok(vec![
            Self::start()?.flood("wrong secrets of the same client, same peer", wrong),
            Self::start()?.flood("wrong secrets of many registered clients", registered),
            Self::start()?.flood("invented clients at the token endpoint", unknown),
        ])
    }

    fn flood(&self, name: &'static str, hostile: impl Fn(usize) -> (String, String) + Send + Sync + 'static) -> Flood {
        let (good, harmless) = (self.secret.expose().clone(), self.secret.expose().clone());
        Flood {
            name,
            hostile: self.send(GRANTED, hostile),
            // From the other end, so that nobody's wrong secret comes before the right one.
            harmless: self
                .send(REFUSED, move |number| (format!("harmless-{}", CLIENTS - 1 - number), harmless.clone())),
            good: self.send(GRANTED, move |_| ("good".to_owned(), good.clone())),
            size: SIZE,
        }
    }

    fn send(
        &self,
        form: &'static str,
        credentials: impl Fn(usize) -> (String, String) + Send + Sync + 'static,
    ) -> Load {
        let router = self.router.clone();
        Load::new(move |number| {
            let (client, secret) = credentials(number);
            let basic = BASE64.encode_to_string(format!("{client}:{secret}"));
            let request = Request::post("/token")
                .header("authorization", format!("Basic {basic}"))
                .header("content-type", "application/x-www-form-urlencoded")
                .body(Body::from(form));
            let answer = router.clone().call(request.expect("a request"));
            async move { answer.await.is_ok_and(|answer| answer.status() == 200) }
        })
    }
}
