//! Each rule and their combinations, without HTTP.

use std::time::Duration;

use serde_json::json;

use super::facts::{Facts, RequestContext, RequestFacts};
use super::*;
use crate::authz::unknown::UnknownFacts;
use crate::authz::{Decision, Denial, Fact, Grants};
use crate::claims::typed::TokenClaims;
use crate::claims::{TenantId, TypedClaims};
use crate::clock::UnixTime;

fn grants() -> Grants {
    Grants {
        scopes: ["read", "write"].into(),
        roles: ["clerk"].into(),
        groups: ["staff"].into(),
        methods: ["pwd", "otp"].into(),
        tenant: TenantId::new("acme").ok(),
        authenticated_at: Some(UnixTime::from_secs(1_000)),
        ..Grants::default()
    }
}

/// A request for a thing of tenant `acme`, by every way to say so.
struct OfAcme;

impl RequestFacts for OfAcme {
    fn path_parameter(&self, name: &str) -> Option<&str> {
        (name == "tenant").then_some("acme")
    }

    fn header(&self, name: &str) -> Option<&str> {
        (name == "x-tenant").then_some("acme")
    }

    fn host(&self) -> Option<&str> {
        Some("acme.example.com:443")
    }
}

fn check_with(requirement: &Requirement, change: impl FnOnce(&mut Facts<'_>)) -> Decision {
    check_of(&grants(), requirement, change)
}

fn check_of(grants: &Grants, requirement: &Requirement, change: impl FnOnce(&mut Facts<'_>)) -> Decision {
    let typed = TypedClaims::default();
    let mut facts = facts(grants, &typed);
    change(&mut facts);
    requirement.check(&facts)
}

fn facts<'a>(grants: &'a Grants, typed: &'a TypedClaims) -> Facts<'a> {
    Facts {
        grants,
        subject: "u1",
        client: "c1",
        issuer: "https://issuer.test",
        actor: Some("gateway"),
        actor_issuer: None,
        has_several_issuers: false,
        is_clients_own: false,
        is_bound: false,
        token_kind: crate::token::CredentialKind::Opaque,
        maps_tenant: true,
        issuer_in_force: None,
        identity_claims: [&[], &[]],
        acr: Some("silver"),
        claims: TokenClaims::new(r#"{"plan":"gold","org":{"size":7},"https://a.test/x":true}"#, typed),
        context: RequestContext::new(UnixTime::from_secs(1_300)).request(&OfAcme),
    }
}

fn check(requirement: &Requirement) -> Decision {
    check_with(requirement, |_| {})
}

fn denied(denial: Denial) -> Decision {
    Decision::Denied(denial)
}

#[test]
fn s3_22_scopes_match_whole_and_by_case() {
    assert!(check(&scope("read")).is_allowed());
    for near in ["reads", "READ", "read,write", "xread", ""] {
        assert_eq!(check(&scope(near)), Decision::Denied(Denial::Scopes(vec![near.into()])), "{near}");
    }
}

#[test]
fn s5_04_s5_05_a_denial_says_what_would_help() {
    let two = scope("admin").and(scope("write"));
    assert_eq!(check(&two), Decision::Denied(Denial::Scopes(vec!["admin".into(), "write".into()])));
    assert_eq!(check(&role("admin")), Decision::Denied(Denial::Forbidden));
    assert_eq!(check(&role("admin").and(scope("admin"))), Decision::Denied(Denial::Forbidden));
    assert_eq!(check(&role("admin").or(scope("admin"))), Decision::Denied(Denial::Scopes(vec!["admin".into()])));
}

#[test]
fn s5_16_age_of_the_login_is_counted() {
    assert!(check(&authenticated_within(Duration::from_secs(300))).is_allowed());
    let stale = Duration::from_secs(299);
    assert_eq!(check(&authenticated_within(stale)), step_up(Some(stale), &[]));
}

fn step_up(max_age: Option<Duration>, acr_values: &[&str]) -> Decision {
    let acr_values = acr_values.iter().map(|value| (*value).to_owned()).collect();
    Decision::Denied(Denial::StepUp { max_age, acr_values })
}

#[test]
fn s5_16_a_weak_login_is_asked_for_a_stronger_one() {
    assert!(check(&acr(["gold", "silver"])).is_allowed());
    assert_eq!(check(&acr(["gold", "platinum"])), step_up(None, &["gold", "platinum"]));
    let stale = Duration::from_secs(1);
    let both = acr(["gold"]).and(authenticated_within(stale));
    assert_eq!(check(&both), step_up(Some(stale), &["gold"]), "one challenge names both");
    let held_but_old = acr(["silver"]).and(authenticated_within(stale));
    assert_eq!(check(&held_but_old), step_up(Some(stale), &["silver"]), "a fresh login must not be a weaker one");
    let fresh_but_weak = authenticated_within(Duration::from_secs(300)).and(acr(["gold"]));
    assert_eq!(check(&fresh_but_weak), step_up(Some(Duration::from_secs(300)), &["gold"]));
    let common = acr(["gold", "platinum"]).and(acr(["platinum", "iron"]));
    assert_eq!(check(&common), step_up(None, &["platinum"]), "what satisfies both");
    let never = acr(["gold"]).and(acr(["iron"]));
    assert_eq!(check(&never), Decision::Denied(Denial::Forbidden), "no login satisfies both");
}

#[test]
fn s3_29_the_actor_is_the_one_named() {
    assert!(check(&actor("gateway")).is_allowed());
    for other in ["admin-svc", "", "Gateway"] {
        assert_eq!(check(&actor(other)), Decision::Denied(Denial::Forbidden), "{other}");
    }
}

#[test]
fn s5_26_so_many_of_them() {
    let parts = || [scope("read"), scope("write"), scope("admin"), scope("audit")];
    for (count, met) in [(1, true), (2, true), (3, false), (4, false)] {
        assert_eq!(check(&at_least(count, parts())).is_allowed(), met, "{count}");
    }
    let three = at_least(3, parts());
    assert_eq!(check(&three), Decision::Denied(Denial::Scopes(vec!["admin".into()])));
    for impossible in [0, 5] {
        let impossible = at_least(impossible, parts());
        assert_eq!(impossible.check_config().expect_err("out of range").faults()[0].field, "at_least");
        assert_never_met(&impossible);
    }
    assert_eq!(any_of([]).check_config().expect_err("empty").faults()[0].field, "any_of");
}

/// Not met, whatever is combined with it.
fn assert_never_met(faulty: &Requirement) {
    let faulty = || faulty.clone();
    for never in [
        faulty(),
        faulty().not(),
        faulty().not().not(),
        faulty().hidden(),
        faulty().and(scope("read")),
        faulty().or(scope("read")),
        scope("read").or(faulty()),
        scope("read").and(faulty().not()),
        any_of([scope("read"), faulty().not()]),
        at_least(1, [scope("read"), faulty()]),
        faulty().or(scope("read")).not(),
        scope("read").shadowed().or(faulty()),
    ] {
        assert!(!check(&never).is_allowed() && !never.is_shadow(), "{never}");
        assert!(never.check_config().is_err(), "{never}");
    }
    assert!(check(&scope("read").and(faulty().shadowed())).is_allowed(), "shadow mode refuses nobody");
    assert!(scope("read").and(faulty().shadowed()).check_config().is_err(), "but the fault is reported");
}

#[test]
fn s5_26_a_requirement_without_parts_is_never_met() {
    for (faulty, field) in [(all_of([]), "all_of"), (any_of([]), "any_of"), (at_least(0, []), "at_least")] {
        assert_never_met(&faulty);
        assert_eq!(faulty.check_config().expect_err("a fault").faults()[0].field, field);
    }
    let many = all_of([any_of([]), at_least(3, [role("a")]), role("b")]);
    assert_eq!(many.check_config().expect_err("two faults").faults().len(), 2);
}

#[test]
fn s5_26_truth_tables() {
    let (yes, no) = (scope("read"), scope("other"));
    for (a, a_met) in [(&yes, true), (&no, false)] {
        assert_eq!(check(&a.clone().not()).is_allowed(), !a_met);
        for (b, b_met) in [(&yes, true), (&no, false)] {
            assert_eq!(check(&a.clone().and(b.clone())).is_allowed(), a_met && b_met);
            assert_eq!(check(&a.clone().or(b.clone())).is_allowed(), a_met || b_met);
        }
    }
}

#[test]
fn s3_21_a_user_named_like_a_client_is_not_that_client() {
    assert!(!check(&client("c1")).is_allowed());
    assert!(!check(&client("u1")).is_allowed());
    assert!(check(&subject("u1")).is_allowed());
    assert!(!check(&subject("")).is_allowed());
    for (name, is_own, actor, is_met) in [
        ("c1", true, None, true),
        ("c2", true, None, false),
        ("c1", false, None, false),
        ("c1", true, Some("gateway"), false),
    ] {
        let change = |facts: &mut Facts<'_>| (facts.is_clients_own, facts.actor) = (is_own, actor);
        assert_eq!(check_with(&client(name), change).is_allowed(), is_met, "{name} {is_own} {actor:?}");
    }
}

#[test]
fn s5_16_a_login_of_no_user_or_of_the_future_is_none() {
    let recent = authenticated_within(Duration::from_secs(300));
    let asked = step_up(Some(Duration::from_secs(300)), &[]);
    assert_eq!(check_with(&recent, |facts| facts.is_clients_own = true), asked, "a client's own token");
    for (ahead, met) in [(30, true), (31, false)] {
        let ahead = Grants { authenticated_at: Some(UnixTime::from_secs(1_300 + ahead)), ..grants() };
        assert_eq!(check_of(&ahead, &recent, |_| {}).is_allowed(), met, "{ahead:?}");
    }
}

#[test]
fn s5_16_a_method_of_authentication_is_asked_for() {
    assert!(check(&amr("otp")).is_allowed());
    assert_eq!(check(&amr("hwk")), step_up(None, &[]));
    assert_eq!(check(&amr("hwk").and(acr(["gold"]))), step_up(None, &["gold"]));
}

#[test]
fn claims_are_compared_whole_and_by_type() {
    for met in [claim("plan", "gold"), claim("/org/size", 7), claim("https://a.test/x", true)] {
        assert!(check(&met).is_allowed(), "{met}");
    }
    for unmet in
        [claim("plan", "gol"), claim("plan", json!(["gold"])), claim("/org/size", "7"), claim("none", json!(null))]
    {
        assert_eq!(check(&unmet), denied(Denial::Forbidden), "{unmet}");
    }
}

#[test]
fn s3_23_groups_match_whole() {
    assert!(check(&group("staff")).is_allowed());
    for near in ["Staff", "staf", "staffs", ""] {
        assert_eq!(check(&group(near)), denied(Denial::Forbidden), "{near}");
    }
}

#[derive(serde::Deserialize)]
struct Plan {
    plan: String,
}

#[derive(serde::Deserialize)]
struct Absent {
    #[allow(dead_code, reason = "decoding fails")]
    absent: String,
}

#[test]
fn s5_26_what_cannot_be_evaluated_refuses_and_so_does_its_negation() {
    let gold = claims_where("a golden plan", |claims: &Plan| claims.plan == "gold");
    assert!(check(&gold).is_allowed());
    assert_eq!(check(&gold.clone().not()), denied(Denial::Forbidden));
    let absent = claims_where("absent", |_: &Absent| true);
    assert_eq!(check(&absent), denied(Denial::ClaimsSchema));
    assert_eq!(check(&absent.clone().not()), denied(Denial::ClaimsSchema));
    assert_eq!(check(&absent.clone().not().not()), denied(Denial::ClaimsSchema));
    assert!(check(&absent.clone().and(role("none")).not()).is_allowed(), "false, whatever the other is");
    assert!(!check(&absent.clone().or(role("none")).not()).is_allowed());
    assert!(check(&absent.clone().or(role("clerk"))).is_allowed());
    assert!(!check(&at_least(2, [absent, role("clerk")]).not()).is_allowed());
    let no_such_parameter = tenant_in_path("org");
    for open in [no_such_parameter.clone(), no_such_parameter.not(), tenant_in_header("x-org").not()] {
        assert_eq!(check(&open), denied(Denial::Forbidden), "{open}");
    }
}

#[test]
fn s3_23_a_claim_that_is_elsewhere_is_known_by_its_whole_name() {
    let elsewhere = Grants { distributed: ["https://a.test/x"].into(), ..grants() };
    let is_met = |requirement: Requirement| check_of(&elsewhere, &requirement, |_| {}).is_allowed();
    assert!(!is_met(claim("https://a.test/x", true)) && !is_met(claim("https://a.test/x", false).not()));
    assert!(is_met(claim("plan", "gold")) && is_met(claim("plan", "free").not()), "the others are decided");
}

#[test]
fn s3_23_a_client_that_is_elsewhere_leaves_open_whose_token_it_is() {
    let mut unknown = UnknownFacts::default();
    unknown.insert(Fact::Client);
    let no_client = Grants { unknown, ..grants() };
    let no_subject = Grants { distributed: ["sub"].into(), ..grants() };
    let logged_in = authenticated_within(Duration::from_secs(300));
    let too_long_ago = authenticated_within(Duration::from_secs(299)).not();
    assert!(check(&logged_in).is_allowed() && check(&too_long_ago).is_allowed());
    for grants in [no_client, no_subject] {
        for rule in [&logged_in, &too_long_ago, &client("c1"), &client("c1").not(), &client("c2").not()] {
            assert!(!check_of(&grants, rule, |facts| facts.actor = None).is_allowed(), "{rule} of {grants:?}");
        }
    }
}

#[test]
fn the_tenant_must_be_the_one_that_the_request_names() {
    let places = [tenant_in_path("tenant"), tenant_in_header("x-tenant"), tenant_in_host("example.com")];
    for place in places {
        assert!(check(&place).is_allowed(), "{place}");
        assert_eq!(check(&place.clone().not()), denied(Denial::Forbidden), "{place}");
        for other in [Some("globex"), Some("ACME"), Some("acm"), None] {
            let grants = Grants { tenant: other.and_then(|id| TenantId::new(id).ok()), ..grants() };
            let decision = check_of(&grants, &place, |_| {});
            assert_eq!(decision, denied(Denial::Forbidden), "{other:?} {place}");
        }
    }
}

#[test]
fn what_is_hidden_is_not_found() {
    let own = || tenant_in_path("tenant").hidden();
    let others = || issued_by("https://other.test").hidden();
    let missing = || scope("admin");
    assert!(check(&own()).is_allowed());
    assert_eq!(
        check(&own().and(missing())),
        denied(Denial::Scopes(vec!["admin".into()])),
        "the own tenant is not hidden"
    );
    assert_eq!(check(&others().and(missing())), denied(Denial::NotFound));
    assert_eq!(check(&missing().and(others())), denied(Denial::NotFound));
    assert_eq!(check(&others().or(role("admin"))), denied(Denial::NotFound));
    assert_eq!(check(&at_least(1, [others(), role("admin")])), denied(Denial::NotFound));
    assert_eq!(check(&all_of([]).hidden()), denied(Denial::NotFound), "a faulty part is no reason to tell");
    assert_eq!(check(&tenant_in_path("org").hidden()), denied(Denial::NotFound), "not even if it cannot be evaluated");
}

/// One who is called alike at another issuer learns no more than anybody else.
#[test]
fn s5_26_s15_08_a_hidden_name_of_another_issuer_is_not_found() {
    let plan: &'static [Box<str>] = Box::leak(Box::new([Box::from("plan")]));
    let hidden = || [subject("u1"), actor("gateway"), acr(["silver"]), amr("pwd"), claim("plan", "gold")];
    for named in hidden().map(Requirement::hidden) {
        let check = |requirement: &Requirement| check_with(requirement, |facts| facts.identity_claims = [plan, &[]]);
        assert!(check(&named.clone().and(issued_by("https://issuer.test"))).is_allowed(), "{named}");
        assert_eq!(check(&named.clone().and(issued_by("https://other.test"))), denied(Denial::NotFound), "{named}");
        assert_eq!(check(&issued_by("https://other.test").and(named.clone())), denied(Denial::NotFound), "{named}");
    }
}

#[test]
fn an_owner_is_a_subject_of_an_issuer_and_is_not_named() {
    let requirement = owner("https://issuer.test", "u1");
    assert!(check(&requirement).is_allowed());
    assert!(!format!("{requirement} {requirement:?}").contains("u1"));
    for other in
        [owner("https://other.test", "u1"), owner("https://issuer.test", "u2"), owner("https://issuer.test", "")]
    {
        assert_eq!(check(&other), denied(Denial::Forbidden));
    }
    assert!(!check_with(&owner("https://issuer.test", ""), |facts| facts.subject = "").is_allowed());
}

#[test]
fn s5_26_a_shadowed_part_decides_nothing_wherever_it_stands() {
    let shadow = || role("admin").shadowed();
    assert!(check(&shadow()).is_allowed());
    assert!(check(&scope("read").and(shadow())).is_allowed());
    assert!(check(&shadow().and(scope("read"))).is_allowed());
    assert!(!check(&scope("none").or(shadow())).is_allowed(), "it lets nobody in");
    assert!(!check(&shadow().or(scope("none"))).is_allowed());
    assert!(!check(&scope("none").or(scope("read").shadowed())).is_allowed());
    assert!(!check(&at_least(2, [scope("read"), scope("write").shadowed(), scope("none")])).is_allowed());
    assert!(!check(&scope("read").not().and(shadow().not())).is_allowed());
    assert!(check(&shadow().not()).is_allowed());
    assert!(check(&shadow().hidden()).is_allowed());
    for (requirement, is_shadow) in [
        (shadow(), true),
        (shadow().not(), true),
        (shadow().hidden().or(shadow()), true),
        (shadow().and(scope("read")), false),
        (scope("read"), false),
    ] {
        assert_eq!(requirement.is_shadow(), is_shadow, "{requirement}");
    }
}

#[test]
fn shadow_mode_counts_and_tells_only_what_would_be_news() {
    let requirement = scope("read").and(role("admin").shadowed()).and(role("clerk").shadowed());
    let told = std::cell::RefCell::new(Vec::new());
    let tell = |part: &dyn std::fmt::Display| told.borrow_mut().push(part.to_string());
    for scopes in [true, false] {
        let grants = Grants { scopes: if scopes { ["read"].into() } else { Default::default() }, ..grants() };
        let typed = TypedClaims::default();
        let context = RequestContext::new(UnixTime::from_secs(0)).on_shadow(&tell);
        let decision = requirement.check(&Facts { context, ..facts(&grants, &typed) });
        assert_eq!(decision.is_allowed(), scopes);
    }
    assert_eq!(*told.borrow(), ["role admin"]);
    let counts: Vec<_> =
        requirement.shadows().map(|(part, stats)| (part.to_string(), stats.met, stats.unmet)).collect();
    assert_eq!(counts, [("role admin".to_owned(), 0, 1), ("role clerk".to_owned(), 1, 0)]);
}

#[test]
fn words_say_what_is_asked_and_stay_on_one_line() {
    let requirement = all_of([
        any_of([role("a"), group("b")]).hidden(),
        scope("c").or(amr("d")).shadowed(),
        client("e").and(actor("f")).not(),
    ]);
    assert_eq!(
        requirement.to_string(),
        "(role a or group b) (else 404) and shadow (scope c or authenticated by d) and not (client e and actor f)"
    );
    let hostile = subject("a\r\n\u{1b}[31m\u{202e}\"b'").to_string();
    assert_eq!(hostile, "subject a\\r\\n\\u{1b}[31m\\u{202e}\"b'");
}

#[test]
fn a_mapping_without_a_tenant_is_named_as_the_reason() {
    thread_local! {
        static REASONS: std::cell::RefCell<Vec<String>> = const { std::cell::RefCell::new(Vec::new()) };
    }
    let no_tenant = Grants { tenant: None, ..grants() };
    for (maps_tenant, part) in [(false, "set authorities.tenant_at"), (true, "the token does not have it")] {
        let rule = tenant_in_path("tenant");
        let decision = check_of(&no_tenant, &rule, |facts| {
            facts.maps_tenant = maps_tenant;
            facts.context =
                facts.context.on_unknown(&|_, reason| REASONS.with_borrow_mut(|all| all.push(reason.to_string())));
        });
        assert_eq!(decision, denied(Denial::Forbidden));
        let reasons = REASONS.take();
        assert!(matches!(&reasons[..], [reason] if reason.contains(part)), "{reasons:?}");
    }
}

#[test]
fn it_tells_what_it_needs() {
    let path = scope("a").and(tenant_in_path("t").shadowed().not());
    assert!(path.path_parameters().eq(["t"]) && path.needs_request());
    let host = scope("a").or(tenant_in_host("b.test").hidden());
    assert!(host.path_parameters().next().is_none() && host.needs_request());
    let neither = at_least(1, [scope("b"), scope("a").and(scope("b")).not(), any_authenticated()]);
    assert!(!neither.needs_request());
    assert_eq!(neither.named_scopes(), ["b"], "a negated scope is none to ask for");
}

/// A deny rule from a configuration whose variable is empty denies everybody, and lets nobody in.
#[test]
fn s3_23_s5_26_an_empty_or_malformed_argument_is_neither_met_nor_unmet() {
    for data in [
        json!({ "issued_by": "" }),
        json!({ "owner": { "issuer": "", "subject": "u1" } }),
        json!({ "owner": { "issuer": "https://issuer.test", "subject": "" } }),
        json!({ "acr": [""] }),
        json!({ "acr": ["", ""] }),
        json!({ "claim": { "path": "", "value": true } }),
        json!({ "claim": { "path": "/", "value": true } }),
        json!({ "claim": { "path": "/plan~2", "value": "gold" } }),
        json!({ "claim": { "path": "/~", "value": "gold" } }),
        json!({ "all_of": [{ "subject": "u1" }, { "issued_by": "" }] }),
    ] {
        for whole in [data.clone(), json!({ "not": data }), json!({ "not": { "not": data } })] {
            let requirement = Requirement::from_json(&whole.to_string()).expect("a requirement");
            assert_eq!(check(&requirement), denied(Denial::Forbidden), "{whole}");
            let several = check_with(&requirement, |facts| facts.has_several_issuers = true);
            assert_eq!(several, denied(Denial::Forbidden), "{whole}");
        }
    }
    assert_eq!(check(&acr(["", "gold"])), step_up(None, &["gold"]), "an empty value is not asked for");
    assert!(check(&acr(["", "gold"]).not()).is_allowed());
    assert!(check(&claim("/org/size", 7)).is_allowed() && check(&claim("https://a.test/x", true)).is_allowed());
}

/// Without its shadowed part, the rule would be a fault, which nobody meets.
#[test]
fn s5_26_too_few_parts_beside_those_in_shadow_mode_are_neither_met_nor_unmet() {
    for held in ["clerk", "admin"] {
        let rule = at_least(2, [role(held), role("clerk").shadowed()]);
        assert!(!check(&rule).is_allowed() && !check(&rule.clone().not()).is_allowed(), "{rule}");
        let typed = TypedClaims::default();
        assert!(!rule.not().explain(&facts(&grants(), &typed)).unmet().is_empty());
    }
    let enough = at_least(2, [role("clerk"), group("none"), role("admin").shadowed()]);
    assert!(!check(&enough).is_allowed() && check(&enough.not()).is_allowed());
}
