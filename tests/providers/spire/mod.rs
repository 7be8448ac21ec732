//! SPIRE, set up as `docs/guides/spire.md` says: the trust domain `shop.example`, whose tokens have no `iss`, and
//! `partner.example`, whose tokens have one.

mod calls;
mod outage;
mod rotation;
pub mod server;
mod tokens;

use countersign::policy::Policy;
use countersign::verify::Verifier;
use server::Spire;

use crate::guide::Guide;

/// The names that the guide gives to files and issuers.
const GUIDE_FOLDER: &str = "/run/spiffe";
const GUIDE_DISCOVERY: &str = "https://oidc.partner.example";

fn guide() -> Guide {
    Guide::read("spire")
}

async fn shop() -> &'static Spire {
    static SERVER: tokio::sync::OnceCell<Spire> = tokio::sync::OnceCell::const_new();
    SERVER.get_or_init(async || Spire::start("shop.example", false, &guide()).await).await
}

pub async fn partner() -> &'static Spire {
    static SERVER: tokio::sync::OnceCell<Spire> = tokio::sync::OnceCell::const_new();
    SERVER.get_or_init(async || Spire::start("partner.example", true, &guide()).await).await
}

/// A text of the guide with the places of these servers.
fn placed(text: &str, shop: &Spire, partner: Option<&Spire>) -> String {
    let folder = shop.folder().display().to_string();
    let text = text.replace(GUIDE_FOLDER, &folder);
    match partner {
        Some(partner) => text.replace(GUIDE_DISCOVERY, &partner.discovery()),
        None => text,
    }
}

/// A verifier with a policy of the guide.
fn verifier(policy: &str, shop: &Spire, partner: Option<&Spire>) -> Verifier {
    let policy = Policy::from_toml(&placed(guide().file(policy), shop, partner)).expect("a policy");
    Verifier::builder().policy(&policy, countersign::keys::from_config).build().expect("a verifier")
}
