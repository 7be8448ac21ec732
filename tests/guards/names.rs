//! Names of several issuers: a name counts only together with its issuer (S15.05), and a user is never a client (S15.06).

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use countersign::authenticate::AuthenticateLayer;
use countersign::authz::{Authorities, OwnTokens, acr, actor, amr, claim, client, group, issued_by, owner, subject};
use countersign::claims::Principal;
use countersign::clock::UnixTime;
use countersign::error::ConfigError;
use countersign::issuers::Preset;
use countersign::policy::TrustedIssuer;
use countersign::prelude::*;
use countersign::revocation::RevocationList;
use countersign_test::{TestIssuer, TokenDraft};
use countersign_tests::http::Service;
use serde_json::json;

const PARTNER: &str = "https://partner.test";

fn issuers() -> (TestIssuer, TestIssuer) {
    (TestIssuer::new(), TestIssuer::new().with_name(PARTNER))
}

fn two(ours: &TestIssuer, partner: &TestIssuer) -> Verifier {
    let builder = Verifier::builder().trust(ours.trusted_for("api"));
    let partners = Authorities::new().roles_at("/roles").groups_at("/groups").name_prefix("partner:");
    let builder =
        builder.trust(partner.trusted_for("api").authorities(partners.tenant_at("/tenant").tenant_prefix("partner.")));
    builder.clock(Arc::new(ours.clock().clone())).build().expect("two issuers")
}

async fn guarded(verifier: Verifier, requirement: Requirement) -> Service {
    let app = Router::new().route("/{tenant}", get(|| async { "in" }).layer(require(requirement)));
    Service::start(app.layer(AuthenticateLayer::new(verifier))).await
}

/// A draft that says everything that a guard asks for.
fn saying_all(issuer: &TestIssuer) -> TokenDraft {
    let draft = issuer.token().audience("api").subject("billing").client_id("billing").tenant("acme");
    draft.role("admin").group("staff").claim("jti", "j1")
}

#[tokio::test]
async fn s15_05_a_name_that_gets_a_prefix_may_start_with_any() {
    let (ours, partner) = issuers();
    let service = guarded(two(&ours, &partner), role("partner:partner:admin")).await;
    for (issuer, status) in [(&partner, 200), (&ours, 401)] {
        let token = issuer.token().audience("api").role("partner:admin").sign();
        assert_eq!(service.get("/acme", &token).await.status, status, "{}", issuer.name());
    }
}

#[tokio::test]
async fn s15_05_two_issuers_that_say_the_same_name_say_it_of_two() {
    let (ours, partner) = issuers();
    let of = |name: Requirement| (name.clone().and(issued_by(ours.name())), name.and(issued_by(PARTNER)));
    let acting = |draft: TokenDraft| draft.claim("act", json!({ "sub": "gateway" })).sign();
    let plain = |draft: TokenDraft| draft.sign();
    type Finish = fn(TokenDraft) -> String;
    let cases: [(Requirement, Finish); 4] = [
        (subject("billing"), plain),
        (client("billing"), plain),
        (actor("gateway"), acting),
        (owner(ours.name(), "billing"), plain),
    ];
    for (name, finish) in cases {
        let (our_own, partners) = of(name.clone());
        let (our_token, partner_token) = (finish(saying_all(&ours)), finish(saying_all(&partner)));
        let service = guarded(two(&ours, &partner), our_own).await;
        assert_eq!(service.get("/acme", &our_token).await.status, 200, "{name}");
        assert_eq!(service.get("/acme", &partner_token).await.status, 403, "{name}");
        if name.to_string() == "the owner" {
            continue; // it names its issuer itself
        }
        let service = guarded(two(&ours, &partner), partners).await;
        assert_eq!(service.get("/acme", &our_token).await.status, 403, "{name}");
        assert_eq!(service.get("/acme", &partner_token).await.status, 200, "{name}");
        // Without an issuer it is nobody's, negated or not: it is not known whose name is meant.
        for ambiguous in [name.clone(), name.clone().not(), name.clone().hidden().or(role("none"))] {
            let service = guarded(two(&ours, &partner), ambiguous.clone()).await;
            for token in [&our_token, &partner_token] {
                let status = service.get("/acme", token).await.status;
                assert!(matches!(status, 403 | 404), "{ambiguous}: {status}");
            }
        }
        // With one issuer, the short form suffices.
        let service = guarded(ours.verifier_for("api"), name.clone()).await;
        assert_eq!(service.get("/acme", &our_token).await.status, 200, "{name}");
    }
    for (name, allowed) in [
        (role("admin"), [200, 403]),
        (role("partner:admin"), [403, 200]),
        (group("staff"), [200, 403]),
        (tenant_in_path("tenant"), [200, 403]),
    ] {
        let service = guarded(two(&ours, &partner), name.clone()).await;
        for (issuer, status) in [&ours, &partner].into_iter().zip(allowed) {
            assert_eq!(
                service.get("/acme", &saying_all(issuer).sign()).await.status,
                status,
                "{name} {}",
                issuer.name()
            );
        }
    }
    let service = guarded(two(&ours, &partner), tenant_in_path("tenant")).await;
    assert_eq!(service.get("/partner.acme", &saying_all(&partner).sign()).await.status, 200);
    // Nor can ours say a name of the partner's.
    for token in [saying_all(&ours).tenant("partner.acme"), saying_all(&ours).role("partner:admin")] {
        assert_eq!(service.get("/partner.acme", &token.sign()).await.status, 401);
    }
}

#[tokio::test]
async fn s15_05_a_revocation_of_one_issuers_name_does_not_revoke_the_others() {
    let (ours, partner) = issuers();
    let revoked = Arc::new(RevocationList::new());
    let layer =
        AuthenticateLayer::builder(two(&ours, &partner)).revocation(Arc::clone(&revoked)).build().expect("a layer");
    let service = Service::start(Router::new().route("/{tenant}", get(|| async { "in" })).layer(layer)).await;
    let by_token = [saying_all(&ours).sign(), saying_all(&partner).sign()];
    revoked.revoke_token(PARTNER, "j1", UnixTime::MAX).expect("room");
    assert_eq!(service.get("/x", &by_token[0]).await.status, 200);
    assert_eq!(service.get("/x", &by_token[1]).await.status, 401);
    let by_subject = [&ours, &partner].map(|issuer| saying_all(issuer).claim("jti", "j2").sign());
    revoked.revoke_subject(ours.name(), "billing", UnixTime::MAX, std::time::Duration::ZERO).expect("room");
    assert_eq!(service.get("/x", &by_subject[0]).await.status, 401);
    assert_eq!(service.get("/x", &by_subject[1]).await.status, 200);
}

#[tokio::test]
async fn s15_05_a_revocation_of_an_actor_counts_with_the_issuer_of_the_actor() {
    let (ours, partner) = issuers();
    let acts = [
        (json!({ "sub": "gateway" }), ours.name()),
        (json!({ "sub": "gateway", "iss": null }), ours.name()),
        (json!({ "sub": "gateway", "iss": ours.name() }), ours.name()),
        (json!({ "sub": "gateway", "iss": PARTNER }), PARTNER),
        (json!({ "sub": "gateway", "iss": "" }), ""),
    ];
    for (act, actor_issuer) in acts {
        let token = saying_all(&ours).claim("act", act.clone()).sign();
        let verified = two(&ours, &partner).verify(&token).await.expect("good");
        assert_eq!((verified.actor(), verified.actor_issuer()), (Some("gateway"), Some(actor_issuer)), "{act}");
        let delegated = Principal::Delegated { subject: "billing", actor: "gateway", actor_issuer };
        assert_eq!(verified.principal(), delegated, "{act}");
        for revoked_at in [ours.name(), PARTNER] {
            let revoked = Arc::new(RevocationList::new());
            let layer = AuthenticateLayer::builder(two(&ours, &partner)).revocation(Arc::clone(&revoked));
            let app = Router::new().route("/{tenant}", get(|| async { "in" }));
            let service = Service::start(app.layer(layer.build().expect("a layer"))).await;
            revoked.revoke_subject(revoked_at, "gateway", UnixTime::MAX, std::time::Duration::ZERO).expect("room");
            let expected = if revoked_at == actor_issuer { 401 } else { 200 };
            assert_eq!(service.get("/x", &token).await.status, expected, "{act} revoked at {revoked_at}");
        }
    }
    let alone = two(&ours, &partner).verify(&saying_all(&ours).sign()).await.expect("good");
    assert_eq!(alone.actor_issuer(), None);
}

#[tokio::test]
async fn s15_05_a_way_of_login_and_a_claim_that_names_the_caller_count_with_their_issuer() {
    let (ours, partner) = issuers();
    let full = |issuer: &TestIssuer| {
        let act = json!({ "sub": "gateway", "client_id": "gateway" });
        let draft = saying_all(issuer).claim("act", act).claim("may_act", json!({ "sub": "job" }));
        let draft = draft.claim("azp", "billing").claim("cid", "billing").claim("appid", "billing");
        draft.claim("acr", "gold").claim("amr", json!(["mfa"])).claim("plan", "gold").claim("own_id", "billing").sign()
    };
    let mapped = || {
        let partners = Authorities::new().client_at("/own_id");
        let builder =
            Verifier::builder().trust(ours.trusted_for("api").authorities(Authorities::new().client_at("own_id")));
        let builder = builder.trust(partner.trusted_for("api").authorities(partners));
        builder.clock(Arc::new(ours.clock().clone())).build().expect("two issuers")
    };
    let alone = || {
        let trusted = ours.trusted_for("api").authorities(Authorities::new().client_at("/own_id"));
        Verifier::builder().trust(trusted).clock(Arc::new(ours.clock().clone())).build().expect("an issuer")
    };
    let (our_token, partner_token) = (full(&ours), full(&partner));
    let names = [
        acr(["gold"]),
        amr("mfa"),
        claim("sub", "billing"),
        claim("/sub", "billing"),
        claim("/act/sub", "gateway"),
        claim("/act/client_id", "gateway"),
        claim("/may_act/sub", "job"),
        claim("client_id", "billing"),
        claim("azp", "billing"),
        claim("cid", "billing"),
        claim("appid", "billing"),
        claim("own_id", "billing"),
        claim("acr", "gold"),
        claim("amr", json!(["mfa"])),
    ];
    for name in names {
        let data = serde_json::to_value(&name).expect("data");
        let read: Requirement = serde_json::from_value(data).expect("a requirement");
        for name in [name, read] {
            let verifier = mapped();
            let (of_ours, of_partner) = (
                verifier.verify(&our_token).await.expect("good"),
                verifier.verify(&partner_token).await.expect("good"),
            );
            for ambiguous in [name.clone(), name.clone().not(), name.clone().or(role("none"))] {
                assert!(!of_ours.meets(&ambiguous) && !of_partner.meets(&ambiguous), "{ambiguous}");
                assert!(of_ours.explain(&ambiguous).to_string().contains("add .and(issued_by(...))"), "{ambiguous}");
            }
            let whole = name.clone().and(issued_by(ours.name()));
            assert!(of_ours.meets(&whole) && !of_partner.meets(&whole), "{whole}");
            let negated = name.clone().not().and(issued_by(ours.name()));
            assert!(!of_ours.meets(&negated) && !of_partner.meets(&negated), "{negated}");
            // With one issuer, the short form suffices.
            assert!(alone().verify(&our_token).await.expect("good").meets(&name), "{name}");
        }
    }
    // No login at another issuer would help, so none is asked for.
    let service = guarded(mapped(), acr(["gold"]).and(issued_by(ours.name()))).await;
    assert_eq!(service.get("/acme", &partner_token).await.status, 403);
    assert_eq!(service.get("/acme", &our_token).await.status, 200);
    let service = guarded(mapped(), acr(["gold"])).await;
    assert_eq!(service.get("/acme", &our_token).await.status, 403);
    let service = guarded(mapped(), claim("plan", "gold")).await;
    assert_eq!(service.get("/acme", &partner_token).await.status, 200, "a claim that names nobody");
}

#[tokio::test]
async fn s15_05_an_actor_of_another_issuer_is_not_ours() {
    let issuer = TestIssuer::new();
    let service = guarded(issuer.verifier_for("api"), actor("gateway")).await;
    let with = |act: serde_json::Value| issuer.token().audience("api").claim("act", act).sign();
    for (act, status) in [
        (json!({ "sub": "gateway" }), 200),
        (json!({ "sub": "gateway", "iss": issuer.name() }), 200),
        (json!({ "sub": "gateway", "iss": null }), 200),
        (json!({ "sub": "gateway", "iss": PARTNER }), 403),
        (json!({ "sub": "gateway", "iss": "" }), 403),
        (json!({ "sub": "gateway", "iss": 7 }), 401),
        (json!({ "sub": "gateway", "iss": [issuer.name()] }), 401),
    ] {
        assert_eq!(service.get("/acme", &with(act.clone())).await.status, status, "{act}");
    }
}

#[tokio::test]
async fn s3_21_s15_06_who_has_an_actor_never_speaks_for_itself() {
    let issuer = TestIssuer::new();
    let service = guarded(issuer.verifier_for("api"), client("billing")).await;
    let own = || issuer.token().audience("api").subject("billing").client_id("billing");
    assert_eq!(service.get("/acme", &own().sign()).await.status, 200);
    for act in [json!({ "sub": "billing" }), json!({ "sub": "billing", "iss": issuer.name() }), json!({ "sub": "web" })]
    {
        let exchanged = own().claim("act", act.clone()).sign();
        assert_eq!(
            service.get("/acme", &exchanged).await.status,
            403,
            "a user billing, exchanged by client billing: {act}"
        );
        let verified = issuer.verifier_for("api").verify(&exchanged).await.expect("good");
        assert!(matches!(verified.principal(), Principal::Delegated { subject: "billing", .. }));
    }
    let verified = issuer.verifier_for("api").verify(&own().sign()).await.expect("good");
    assert_eq!(verified.principal(), Principal::Client("billing"));
}

#[tokio::test]
async fn s3_21_s15_05_a_reserved_prefix_holds_for_every_member_that_names_a_service() {
    let (ours, partner) = issuers();
    let clients = Authorities::new().client_at("/app");
    let verifier = Verifier::builder()
        .trust(ours.trusted_for("api"))
        .trust(partner.trusted_for("api").authorities(clients).refused_subject_prefix("admin:"))
        .reserve_subjects("svc:", ours.name())
        .clock(Arc::new(ours.clock().clone()))
        .build()
        .expect("a policy");
    let service = guarded(verifier, claim("plan", "gold")).await;
    let draft = |issuer: &TestIssuer| issuer.token().audience("api").subject("u1").claim("plan", "gold");
    for prefix in ["svc:", "admin:"] {
        let name = format!("{prefix}gateway");
        let claims = [
            ("sub", json!(name)),
            ("client_id", json!(name)),
            ("azp", json!(name)),
            ("azp", json!([name])),
            ("cid", json!(name)),
            ("appid", json!(name)),
            ("app", json!(name)), // by the mapping
            ("clientId", json!(name)),
            ("preferred_username", json!(name)),
            ("username", json!(name)),
            ("user_name", json!(name)),
            ("cognito:username", json!(name)),
            ("unique_name", json!(name)),
            ("upn", json!(name)),
            ("oid", json!(name)),
            ("uid", json!(name)),
            ("user_id", json!(name)),
            ("sub_id", json!({ "format": "opaque", "id": name })),
            ("act", json!({ "sub": name })),
            ("act", json!({ "sub": "a", "client_id": name })),
            ("act", json!({ "sub": "a", "act": { "sub": "b", "act": { "sub": name } } })),
            ("may_act", json!({ "sub": name })),
            ("may_act", json!({ "client": { "id": [name] } })),
        ];
        for (member, value) in claims {
            let case = format!("{member} {value}");
            let token = draft(&partner).claim(member, value.clone()).sign();
            assert_eq!(service.get("/acme", &token).await.status, 401, "{case}");
            let own = draft(&ours).claim(member, value).sign();
            assert_eq!(service.get("/acme", &own).await.status, 200, "{case}");
        }
    }
    for harmless in [("sub", json!("my svc:gateway")), ("azp", json!("SVC:gateway")), ("note", json!("svc:gateway"))] {
        let token = draft(&partner).claim(harmless.0, harmless.1).sign();
        assert_eq!(service.get("/acme", &token).await.status, 200);
    }
    assert_eq!(service.get("/acme", &draft(&partner).sign()).await.status, 200);
}

#[test]
fn s15_05_with_several_issuers_each_tenant_mapping_names_its_owner_or_a_prefix() {
    let (ours, partner) = issuers();
    let third = TestIssuer::new().with_name("https://third.test");
    let tenants = || Authorities::new().tenant_at("/tenant");
    let build = |mappings: [Authorities; 3]| {
        let pairs = [&ours, &partner, &third].into_iter().zip(mappings);
        let trust = |builder: countersign::verify::VerifierBuilder, (issuer, mapping): (&TestIssuer, Authorities)| {
            builder.trust(issuer.trusted_for("api").authorities(mapping))
        };
        pairs.fold(Verifier::builder(), trust).build()
    };
    let none = Authorities::new;
    let own = || tenants().tenants_of(ours.name());
    for good in [
        [none(), none(), none()],
        [own(), none(), none().tenant("acme").tenants_of(ours.name())],
        [tenants().tenant_prefix("o."), none(), none().tenant("acme")],
        [none().tenant("acme"), none(), none().tenant("acme")],
        [own(), tenants().tenant_prefix("p."), tenants().tenant_prefix("t.")],
        [own(), own(), tenants().tenant_prefix("t-")],
        [tenants().tenant_prefix("a"), tenants().tenant_prefix("b"), none()],
    ] {
        assert!(build(good.clone()).is_ok(), "{good:?}");
    }
    for (faulty, expected) in [
        ([tenants(), none(), none()], 1),
        ([tenants(), tenants(), none()], 2),
        ([none(), own(), tenants()], 1),
        ([own(), tenants().tenants_of(PARTNER), none()], 1),
        ([own(), tenants().tenant_prefix("p"), tenants().tenant_prefix("p")], 1),
        ([own(), tenants().tenant_prefix("p"), tenants().tenant_prefix("p.q")], 1),
        ([own(), tenants().tenant_prefix("p.q"), tenants().tenant_prefix("p")], 1),
        ([own(), none(), none().tenant("acme")], 1),
        ([none(), none().tenant("acme").tenants_of("https://x.test"), own()], 1),
        ([own(), tenants().tenant_prefix("p."), none().tenant("p.acme")], 1),
    ] {
        let error: ConfigError = build(faulty.clone()).expect_err("ambiguous");
        let fields: Vec<&str> = error.faults().iter().map(|fault| &*fault.field).collect();
        assert_eq!(fields, vec!["tenant"; expected], "{faulty:?}");
        assert!(error.to_string().contains("tenant"), "{error}");
    }
    // One issuer needs nothing, and one whose tenant is pinned to a value names only that.
    assert!(Verifier::new(ours.trusted_for("api").authorities(tenants())).is_ok());
    let pinned = |issuer: &TestIssuer, tenant: &str| {
        issuer.trusted_for("api").authorities(tenants()).required_claim_value("tenant", tenant)
    };
    let builder = Verifier::builder().trust(pinned(&ours, "acme")).trust(pinned(&partner, "globex"));
    assert!(builder.build().is_ok());
    for (mapping, field) in [
        (tenants().tenant_prefix("a/"), "tenant_prefix"),
        (none().tenant_prefix("a"), "tenant_prefix"),
        (none().tenants_of("https://a.test"), "tenant_prefix"),
    ] {
        let error = Verifier::new(ours.trusted_for("api").authorities(mapping)).expect_err("senseless");
        assert_eq!(error.faults()[0].field, field);
    }
}

/// The ways to write that an issuer has one tenant.
type OneTenant = fn(TrustedIssuer, &str) -> TrustedIssuer;

fn ways_to_fix_a_tenant() -> [OneTenant; 2] {
    [
        |issuer, tenant| issuer.authorities(Authorities::new().tenant(tenant)),
        |issuer, tenant| {
            issuer.authorities(Authorities::new().tenant_at("/tenant")).required_claim_value("tenant", tenant)
        },
    ]
}

#[test]
fn s15_05_a_pinned_tenant_is_kept_apart_as_a_fixed_one() {
    let (ours, partner) = issuers();
    let tenants = || Authorities::new().tenant_at("/tenant");
    let fields = |built: Result<Verifier, ConfigError>| -> Vec<String> {
        let faults = built.err().map(|error| error.faults().to_vec()).unwrap_or_default();
        faults.iter().map(|fault| fault.field.to_string()).collect()
    };
    let named = |mapping: Authorities| partner.trusted_for("api").authorities(mapping);
    for fix in ways_to_fix_a_tenant() {
        let own = || fix(ours.trusted_for("api"), "acme");
        for (other, faults) in [
            (named(tenants()), 1),
            (named(tenants().tenants_of(PARTNER)), 1),
            (named(tenants().tenant_prefix("a")), 1),
            (named(tenants().tenant_prefix("acme")), 1),
            (named(tenants().tenant_prefix("p.")), 0),
            (named(tenants().tenants_of(ours.name())), 0),
            (named(Authorities::new()), 0),
            (fix(partner.trusted_for("api"), "globex"), 0),
            (fix(partner.trusted_for("api"), "acme"), 0),
        ] {
            for order in [[own(), other.clone()], [other.clone(), own()]] {
                let built =
                    order.into_iter().fold(Verifier::builder(), |builder, issuer| builder.trust(issuer)).build();
                assert_eq!(fields(built), vec!["tenant"; faults], "{other:?}");
            }
        }
    }
    // It may be stated whose tenant it is.
    let pinned =
        ours.trusted_for("api").authorities(tenants().tenants_of(PARTNER)).required_claim_value("tenant", "acme");
    assert!(Verifier::builder().trust(pinned).trust(named(tenants().tenants_of(PARTNER))).build().is_ok());
    // A prefix is enough for both.
    let pinned = ours.trusted_for("api").authorities(tenants().tenant_prefix("o.")).required_claim_value("tenant", "a");
    assert!(Verifier::builder().trust(pinned).trust(named(tenants().tenants_of(PARTNER))).build().is_ok());
}

#[test]
fn s15_05_an_entra_tenant_is_kept_apart_from_those_that_others_name() {
    let [one, other] = ["72f988bf-86f1-41af-91ab-2d7cd011db47", "9122040d-6c67-4c5b-b112-36a304b66dad"];
    let (ours, _) = issuers();
    for preset in [Preset::ENTRA_V1, Preset::ENTRA_V2] {
        let entra =
            |id: &str| preset.tenant(id).expect("an id").keys(ours.key_source()).names_of(PARTNER).audience("api");
        assert!(Verifier::builder().trust(entra(one)).trust(entra(other)).build().is_ok());
        let any_tenant = Authorities::new().tenant_at("/tenant").tenants_of(ours.name());
        let builder = Verifier::builder().trust(entra(one)).trust(ours.trusted_for("api").authorities(any_tenant));
        assert_eq!(builder.build().expect_err("it could name the tenant").faults()[0].field, "tenant");
    }
}

#[test]
fn s15_05_with_several_issuers_each_mapping_of_names_but_one_names_their_owner_or_a_prefix() {
    let (ours, partner) = issuers();
    let build = |mappings: [Authorities; 2]| {
        let [one, other] = mappings;
        let builder = Verifier::builder().trust(ours.trusted_for("api").authorities(one));
        builder.trust(partner.trusted_for("api").authorities(other)).build()
    };
    type Read = fn(Authorities) -> Authorities;
    let kinds: [Read; 3] = [|a| a.roles_at("/roles"), |a| a.permissions_at("/permissions"), |a| a.groups_at("/groups")];
    for one in kinds {
        for other in kinds {
            let (one, other) = (|| one(Authorities::new()), || other(Authorities::new()));
            for good in [
                [one(), other().name_prefix("partner:")],
                [one().name_prefix("ours:"), other()],
                [one().name_prefix("ours:"), other().name_prefix("partner:")],
                [one().names_of(ours.name()), other().names_of(ours.name())],
                [one(), Authorities::new()],
                [Authorities::new(), other()],
            ] {
                assert!(build(good.clone()).is_ok(), "{good:?}");
            }
            for (faulty, faults) in [
                ([one(), other()], 2),
                ([one().names_of(ours.name()), other()], 1),
                ([one().names_of(ours.name()), other().names_of(PARTNER)], 1),
                ([one().name_prefix("a."), other().name_prefix("a.")], 1),
                ([one().name_prefix("a."), other().name_prefix("a.b.")], 1),
                ([one().name_prefix("a.b."), other().name_prefix("a.")], 1),
            ] {
                let error = build(faulty.clone()).expect_err("ambiguous");
                let fields: Vec<&str> = error.faults().iter().map(|fault| &*fault.field).collect();
                assert_eq!(fields, vec!["names"; faults], "{faulty:?}");
                assert!(error.to_string().contains("name_prefix"), "{error}");
            }
            // One issuer needs nothing.
            assert!(Verifier::new(ours.trusted_for("api").authorities(one())).is_ok());
        }
    }
}

#[tokio::test]
async fn s15_05_a_prefix_keeps_the_hierarchy_and_its_permissions_apart() {
    let (ours, partner) = issuers();
    let partners = Authorities::new().roles_at("/roles").name_prefix("partner:");
    let partners = partners.hierarchy("admin > clerk").role_permission("clerk", "pay").known_roles(["admin", "clerk"]);
    let builder = Verifier::builder().trust(ours.trusted_for("api"));
    let builder = builder.trust(partner.trusted_for("api").authorities(partners));
    let verifier = builder.clock(Arc::new(ours.clock().clone())).build().expect("two issuers");
    let verified = verifier.verify(&saying_all(&partner).sign()).await.expect("good");
    let grants = verified.grants();
    assert_eq!(grants.roles.iter().collect::<Vec<_>>(), ["partner:admin", "partner:clerk"]);
    assert_eq!(grants.permissions.iter().collect::<Vec<_>>(), ["partner:pay"]);
}

#[test]
fn what_names_mean_is_part_of_the_fingerprint() {
    let issuer = TestIssuer::new();
    let print = |mapping: Authorities| {
        Verifier::new(issuer.trusted_for("api").authorities(mapping)).expect("a policy").fingerprint()
    };
    let mapping = || Authorities::new().roles_at("/roles").tenant_at("/tenant");
    let prints = [
        mapping(),
        mapping().names_of("https://a.test"),
        mapping().names_of("https://b.test"),
        mapping().tenants_of("https://a.test"),
        mapping().known_roles(["a"]),
        mapping().known_roles(["a", "b"]),
    ]
    .map(print);
    for (index, one) in prints.iter().enumerate() {
        assert!(prints.iter().skip(index + 1).all(|other| other != one), "{index}");
    }
}

/// A claim that names who calls at one issuer is a claim like any other at the next, which may let its users choose it.
#[tokio::test]
async fn s15_05_a_claim_that_names_the_caller_at_one_issuer_is_not_taken_from_another() {
    let (ours, partner) = issuers();
    let mapping =
        Authorities::new().client_at("/app").roles_at("/realm/roles").permissions_at("may").groups_at("teams");
    let mapping = mapping.tenant_at("/org/id").tenant_prefix("our.").own_tokens(OwnTokens::ServiceAccount);
    let trusted = ours.trusted_for("api").authorities(mapping);
    let trusted = trusted.allowed_claim_values("division", ["retail"]).required_claim_value("region", "eu");
    let builder = Verifier::builder().trust(trusted);
    let builder = builder.trust(partner.trusted_for("api").authorities(Authorities::new()));
    let verifier = builder.clock(Arc::new(ours.clock().clone())).build().expect("two issuers");
    let claims = json!({
        "division": "retail", "region": "eu", "organization_id": "acme", "pipeline_id": "0184", "owner_id": "1",
        "enterprise_id": "1", "terraform_workspace_id": "ws-1", "user_login": "ann", "workflow_ref": "acme/x",
        "job_workflow_ref": "acme/deploy/.github/workflows/x.yml@refs/heads/main",
        "app": "billing", "realm": { "roles": ["admin"] }, "may": ["pay"], "teams": ["staff"], "org": { "id": "acme" },
        "clientId": "billing", "email": "ann@shop.test", "preferred_username": "ann", "upn": "ann", "oid": "1", "uid": "1",
        "username": "ann", "repository": "acme/x", "repository_owner_id": "1", "namespace_id": "1", "tid": "acme",
    });
    let claims = claims.as_object().expect("an object");
    let signed = |issuer: &TestIssuer| {
        let draft = issuer.token().audience("api").claim("plan", "gold");
        claims.iter().fold(draft, |draft, (name, value)| draft.claim(name, value.clone())).sign()
    };
    let (own, partners) = (verifier.verify(&signed(&ours)).await, verifier.verify(&signed(&partner)).await);
    let (own, partners) = (own.expect("ours"), partners.expect("the partner's"));
    let mut rules: Vec<Requirement> = claims.iter().map(|(name, value)| claim(name, value.clone())).collect();
    rules.extend([claim("/realm/roles/0", "admin"), claim("/org/id", "acme")]);
    for rule in rules {
        for either in [rule.clone(), rule.clone().not()] {
            assert!(!own.meets(&either) && !partners.meets(&either), "{either}");
        }
        let of_ours = rule.clone().and(issued_by(ours.name()));
        assert_eq!((own.meets(&of_ours), partners.meets(&of_ours)), (true, false), "{rule}");
        let alone = ours.verifier_for("api").verify(&signed(&ours)).await.expect("one issuer");
        assert!(alone.meets(&rule), "{rule}");
    }
    assert!(own.meets(&claim("plan", "gold")) && partners.meets(&claim("plan", "gold")), "it names nobody");
}
