//! Names of resolved issuers, against those of the configured ones and of each other (S15.05).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use countersign::authz::Authorities;
use countersign::issuers::ResolvedIssuers;
use countersign::verify::Verifier;
use countersign_test::{TestIssuer, TokenDraft};

type Mappings = Arc<Mutex<HashMap<String, Authorities>>>;

/// A verifier with one configured issuer, and others in a database.
struct Service {
    ours: TestIssuer,
    mappings: Mappings,
    issuers: Arc<ResolvedIssuers>,
    verifier: Verifier,
}

impl Service {
    fn new(own: Authorities) -> Self {
        let ours = TestIssuer::new();
        let mappings = Mappings::default();
        let (known, signer) = (Arc::clone(&mappings), ours.clone());
        let issuers = Arc::new(ResolvedIssuers::new(move |name: String| {
            let mapping = known.lock().expect("sound").get(&name).cloned();
            let trusted = mapping.map(|mapping| signer.clone().with_name(name).trusted_for("api").authorities(mapping));
            async move { Ok(trusted) }
        }));
        let verifier = Verifier::builder()
            .trust(ours.trusted_for("api").authorities(own))
            .trust_resolved(issuers.clone())
            .clock(Arc::new(ours.clock().clone()))
            .build()
            .expect("a policy");
        Service { ours, mappings, issuers, verifier }
    }

    fn put(&self, name: &str, mapping: Authorities) {
        self.mappings.lock().expect("sound").insert(name.to_owned(), mapping);
    }

    async fn verdict(&self, name: &str, change: impl FnOnce(TokenDraft) -> TokenDraft) -> &'static str {
        let issuer = self.ours.clone().with_name(name);
        let token = change(issuer.token().audience("api")).sign();
        let explained = self.verifier.explain(&token).await.is_accepted();
        let verified = self.verifier.verify(&token).await;
        assert_eq!(verified.is_ok(), explained);
        verified.map_or_else(|error| error.code(), |_| "ok")
    }
}

fn roles() -> Authorities {
    Authorities::new().roles_at("/roles")
}

fn tenants() -> Authorities {
    Authorities::new().tenant_at("/tenant")
}

const ONE: &str = "https://one.test";
const OTHER: &str = "https://other.test";

#[tokio::test]
async fn s15_05_a_resolved_issuer_says_no_name_with_the_prefix_of_a_configured_one() {
    let service = Service::new(roles().name_prefix("ours:").tenant_at("/tenant").tenant_prefix("ours."));
    service.put(ONE, roles().names_of(ONE).tenant_at("/tenant").tenants_of(ONE));
    assert_eq!(service.verdict(ONE, |token| token.role("admin").tenant("acme")).await, "ok");
    for role in ["ours:admin", "ours:", "ours:x:y"] {
        assert_eq!(service.verdict(ONE, |token| token.role(role)).await, "invalid_claim", "{role}");
    }
    assert_eq!(service.verdict(ONE, |token| token.tenant("ours.acme")).await, "invalid_claim");
    for (number, mapping) in [
        roles().name_prefix("ours:"),
        roles().name_prefix("ours:x:"),
        roles().name_prefix("our"),
        tenants().tenant_prefix("ours."),
        tenants().tenant_prefix("ours.x"),
        tenants().tenant_prefix("o"),
        Authorities::new().tenant("ours.acme"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("https://bad{number}.test");
        service.put(&name, mapping.clone());
        assert_eq!(service.verdict(&name, |token| token).await, "unknown_issuer", "{mapping:?}");
    }
}

#[tokio::test]
async fn s15_05_names_without_a_prefix_have_one_owner() {
    let service = Service::new(roles().tenant_at("/tenant").tenants_of("https://issuer.test"));
    for (number, (mapping, verdict)) in [
        (roles(), "unknown_issuer"),
        (roles().names_of(ONE), "unknown_issuer"),
        (roles().names_of("https://issuer.test"), "ok"),
        (tenants(), "unknown_issuer"),
        (tenants().tenants_of(ONE), "unknown_issuer"),
        (tenants().tenants_of("https://issuer.test"), "ok"),
        (Authorities::new().tenant("acme"), "unknown_issuer"),
        (Authorities::new().tenant("acme").tenants_of("https://issuer.test"), "ok"),
        (Authorities::new(), "ok"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("https://t{number}.test");
        service.put(&name, mapping.clone());
        assert_eq!(service.verdict(&name, |token| token.role("admin").tenant("acme")).await, verdict, "{mapping:?}");
    }
}

#[tokio::test]
async fn s15_05_two_resolved_issuers_have_no_names_in_common() {
    for (one, other) in [
        (roles().name_prefix("a."), roles().name_prefix("a.b.")),
        (roles().name_prefix("a.b."), roles().name_prefix("a.")),
        (roles().name_prefix("a."), roles().name_prefix("a.")),
        (tenants().tenant_prefix("a."), tenants().tenant_prefix("a.b.")),
        (tenants().tenant_prefix("a."), Authorities::new().tenant("a.b")),
        (Authorities::new().tenant("a.b"), tenants().tenant_prefix("a.")),
        (roles().names_of(ONE), roles().names_of(OTHER)),
        (tenants().tenants_of(ONE), tenants().tenants_of(OTHER)),
    ] {
        let service = Service::new(Authorities::new());
        service.put(ONE, one.clone());
        service.put(OTHER, other.clone());
        assert_eq!(service.verdict(ONE, |token| token).await, "ok", "{one:?}");
        assert_eq!(service.verdict(OTHER, |token| token).await, "unknown_issuer", "{other:?}");
        assert_eq!(service.verdict(OTHER, |token| token).await, "unknown_issuer", "again");
        assert_eq!(service.verdict(ONE, |token| token).await, "ok", "{one:?}");
    }
    // One whose names have no prefix cannot say those of another that was resolved.
    let service = Service::new(roles());
    service.put(ONE, roles().name_prefix("one:"));
    assert_eq!(service.verdict(ONE, |token| token.role("admin")).await, "ok");
    let forged = service.ours.token().audience("api").role("one:admin").sign();
    assert_eq!(service.verifier.verify(&forged).await.expect_err("not ours").code(), "invalid_claim");
}

#[tokio::test]
async fn s15_05_an_issuer_that_is_no_longer_trusted_keeps_no_prefix() {
    let service = Service::new(Authorities::new());
    service.put(ONE, roles().name_prefix("acme:"));
    assert_eq!(service.verdict(ONE, |token| token).await, "ok");
    // The customer moves to another provider.
    service.mappings.lock().expect("sound").remove(ONE);
    service.issuers.forget(ONE);
    service.put(OTHER, roles().name_prefix("acme:"));
    assert_eq!(service.verdict(OTHER, |token| token.role("admin")).await, "ok");
    assert_eq!(service.verdict(ONE, |token| token).await, "unknown_issuer");
}

#[tokio::test]
async fn s15_05_the_refusal_of_an_issuer_ends_once_the_other_one_is_gone() {
    for (one, other) in [
        (roles().name_prefix("acme:"), roles().name_prefix("acme:")),
        (roles().names_of(ONE), roles().names_of(OTHER)),
        (tenants().tenants_of(ONE), Authorities::new().tenant("acme")),
    ] {
        let service = Service::new(Authorities::new());
        service.put(ONE, one);
        service.put(OTHER, other.clone());
        assert_eq!(service.verdict(ONE, |token| token).await, "ok");
        assert_eq!(service.verdict(OTHER, |token| token).await, "unknown_issuer", "{other:?}");
        service.mappings.lock().expect("sound").remove(ONE);
        service.issuers.forget(ONE);
        // The resolver is not asked for the other one again.
        service.mappings.lock().expect("sound").remove(OTHER);
        assert_eq!(service.verdict(OTHER, |token| token).await, "ok", "{other:?}");
    }
}

#[tokio::test]
async fn s15_05_the_pinned_tenant_of_a_resolved_issuer_is_nobody_elses() {
    // Its tenant is pinned by a required value, as that of a preset is.
    let ours = TestIssuer::new();
    let signer = ours.clone();
    let issuers = Arc::new(ResolvedIssuers::new(move |name: String| {
        let trusted = signer.clone().with_name(&name).trusted_for("api");
        let trusted = match name.as_str() {
            ONE => trusted.authorities(tenants()).required_claim_value("tenant", "acme"),
            _ => trusted.authorities(tenants().tenants_of(OTHER)),
        };
        async move { Ok(Some(trusted)) }
    }));
    for (first, second) in [(ONE, OTHER), (OTHER, ONE)] {
        let verifier = Verifier::builder()
            .trust_resolved(issuers.clone())
            .clock(Arc::new(ours.clock().clone()))
            .build()
            .expect("a policy");
        let token = |name: &str| ours.clone().with_name(name).token().audience("api").tenant("acme").sign();
        assert!(verifier.verify(&token(first)).await.is_ok(), "{first}");
        let refused = verifier.verify(&token(second)).await.expect_err("the same tenant");
        assert_eq!(refused.code(), "unknown_issuer", "{second}");
    }
}

#[tokio::test]
async fn s15_05_a_claim_that_a_mapping_reads_is_a_name_of_its_issuer_in_tokens_of_resolved_issuers_too() {
    use countersign::authz::{claim, issued_by};
    let service = Service::new(Authorities::new().client_at("/app"));
    let tenant = "https://tenant.test";
    service.put(tenant, Authorities::new().groups_at("/teams").name_prefix("t."));
    let issuer = service.ours.clone().with_name(tenant);
    let token = issuer.token().audience("api").claim("app", "billing").claim("teams", "staff").claim("plan", "gold");
    let verified = service.verifier.verify(&token.sign()).await.expect("a resolved issuer");
    for rule in [claim("app", "billing"), claim("teams", "staff"), claim("/teams", "staff").not()] {
        assert!(!verified.meets(&rule) && !verified.meets(&rule.clone().not()), "{rule}");
        assert!(!verified.meets(&rule.and(issued_by(service.ours.name()))));
    }
    assert!(verified.meets(&claim("app", "billing").and(issued_by(tenant))));
    assert!(verified.meets(&claim("plan", "gold")), "it names nobody");
}
