//! The hostile answers of the test kit, against a layer.

use axum::Router;
use countersign::authenticate::AuthenticateLayer;
use countersign::introspect::Introspection;
use countersign_test::{IntrospectionAttack, Provider, TestIssuer, TokenDraft};

use crate::server::{got, service_of};

/// A service that asks the provider, and takes only signed answers or only others.
fn service(provider: &Provider, takes_signed: bool) -> Router {
    let settings = Introspection::at_issuer(provider.url()).client("api-client", "s3cret/+");
    let settings = if takes_signed { settings.require_signed_answers() } else { settings };
    let layer = AuthenticateLayer::builder(provider.issuer().verifier_for("api")).introspection(settings);
    service_of(&layer.build().expect("a layer"))
}

fn honest(provider: &Provider) -> TokenDraft {
    provider.token().subject("ann").audience("api")
}

#[tokio::test]
async fn s13_01_to_s13_08_every_hostile_answer_is_refused() {
    let provider = Provider::start(&TestIssuer::new()).await.expect("a free port");
    let services = [service(&provider, false), service(&provider, true)];
    let mut names = Vec::new();
    for attack in IntrospectionAttack::ALL {
        let token = provider.hostile_opaque(*attack, &honest(&provider));
        let got = got(&services[usize::from(attack.is_signed())], &token).await;
        let status = if attack.expected_code() == "introspection_unavailable" { 503 } else { 401 };
        assert_eq!((got.status.as_u16(), got.code()), (status, attack.expected_code().to_owned()), "{}", attack.name());
        assert!(status != 503 || got.is_unavailable(), "{}: {got:?}", attack.name());
        names.push(attack.name());
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert!(names.len() == count && count > 50, "{count}");

    // The endpoint is still asked about others, and its honest answers are accepted.
    let good = provider.opaque(&honest(&provider));
    assert_eq!(got(&services[0], &good).await.status, 200);
    assert_eq!(got(&services[1], &good).await.status, 503, "its answers have no signature");
}

/// Each recipe without its attack is accepted, so it is the attack that is refused.
#[tokio::test]
async fn s13_02_s13_08_the_answers_before_the_attacks_are_accepted() {
    let provider = Provider::start(&TestIssuer::new()).await.expect("a free port");
    // These two attacks are on the kind of the answer only: the other service takes the same.
    for (attack, takes_signed) in
        [(IntrospectionAttack::NotSigned, false), (IntrospectionAttack::UnexpectedlySigned, true)]
    {
        let token = provider.hostile_opaque(attack, &honest(&provider));
        assert_eq!(got(&service(&provider, takes_signed), &token).await.status, 200, "{}", attack.name());
    }
}
