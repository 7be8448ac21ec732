//! Properties of every requirement and every hierarchy (S5.26).

use std::collections::BTreeSet;

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use super::names::Names;
use super::namespaces::Namespaces;
use super::requirement::facts::{Facts, RequestContext};
use super::*;
use crate::claims::TypedClaims;
use crate::claims::typed::TokenClaims;
use crate::clock::UnixTime;
use crate::token::Payload;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// A second representation of a requirement, evaluated independently of the first.
#[derive(Clone, Debug)]
enum Expr {
    Role(usize),
    Scope(usize),
    /// A path parameter that no request has here, so that it cannot be evaluated.
    Unknown,
    And(Vec<Expr>),
    Or(Vec<Expr>),
    AtLeast(usize, Vec<Expr>),
    Not(Box<Expr>),
    Hidden(Box<Expr>),
    Shadow(Box<Expr>),
}

use Expr::{And, AtLeast, Hidden, Not, Or, Role, Scope, Shadow, Unknown};

/// The value of an expression; `None` if the expression is ignored.
type Truth = Option<Kleene>;

/// A truth value, ordered so that "and" is the minimum and "or" the maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kleene {
    False,
    Unknown,
    True,
}

impl Expr {
    fn requirement(&self) -> Requirement {
        let all = |parts: &[Expr]| parts.iter().map(Expr::requirement).collect::<Vec<_>>();
        match self {
            Role(name) => role(NAMES[*name]),
            Scope(name) => scope(NAMES[*name]),
            Unknown => tenant_in_path("absent"),
            And(parts) => all_of(all(parts)),
            Or(parts) => any_of(all(parts)),
            AtLeast(count, parts) => at_least(*count, all(parts)),
            Not(inner) => inner.requirement().not(),
            Hidden(inner) => inner.requirement().hidden(),
            Shadow(inner) => inner.requirement().shadowed(),
        }
    }

    fn truth(&self, held: &Granted) -> Truth {
        let truths = |parts: &[Expr]| parts.iter().filter_map(|part| part.truth(held)).collect::<Vec<_>>();
        match self {
            Role(name) => Some(if held.roles.contains(name) { Kleene::True } else { Kleene::False }),
            Scope(name) => Some(if held.scopes.contains(name) { Kleene::True } else { Kleene::False }),
            Unknown => Some(Kleene::Unknown),
            And(parts) => truths(parts).into_iter().min(),
            Or(parts) => truths(parts).into_iter().max(),
            AtLeast(count, parts) => {
                let truths = truths(parts);
                let at_least = |least| truths.iter().filter(|truth| **truth >= least).count() >= *count;
                (!truths.is_empty()).then(|| match (at_least(Kleene::True), at_least(Kleene::Unknown)) {
                    (true, _) => Kleene::True,
                    _ if *count > truths.len() => Kleene::Unknown,
                    (_, true) => Kleene::Unknown,
                    _ => Kleene::False,
                })
            }
            Not(inner) => inner.truth(held).map(|truth| match truth {
                Kleene::True => Kleene::False,
                Kleene::Unknown => Kleene::Unknown,
                Kleene::False => Kleene::True,
            }),
            Hidden(inner) => inner.truth(held),
            Shadow(_) => None,
        }
    }
}

#[derive(Clone, Debug)]
struct Granted {
    roles: BTreeSet<usize>,
    scopes: BTreeSet<usize>,
}

fn decide(requirement: &Requirement, held: &Granted) -> Decision {
    let names = |indices: &BTreeSet<usize>| indices.iter().map(|index| NAMES[*index]).collect::<Names>();
    let tenant = crate::claims::TenantId::new("acme").ok();
    let grants = Grants { roles: names(&held.roles), scopes: names(&held.scopes), tenant, ..Grants::default() };
    let typed = TypedClaims::default();
    let facts = Facts {
        grants: &grants,
        subject: "u1",
        client: "c1",
        issuer: "https://issuer.test",
        actor: None,
        actor_issuer: None,
        has_several_issuers: false,
        is_clients_own: false,
        is_bound: false,
        token_kind: crate::token::CredentialKind::Signed,
        maps_tenant: true,
        issuer_in_force: None,
        identity_claims: [&[], &[]],
        acr: None,
        claims: TokenClaims::new("{}", &typed),
        context: RequestContext::new(UnixTime::from_secs(0)),
    };
    let decision = requirement.check(&facts);
    let explanation = requirement.explain(&facts);
    assert_eq!(explanation.unmet().is_empty(), decision.is_allowed(), "{requirement}: {explanation}");
    decision
}

fn allows(requirement: &Requirement, held: &Granted) -> bool {
    decide(requirement, held).is_allowed()
}

fn held() -> impl Strategy<Value = Granted> {
    (btree_set(0..4_usize, 0..4), btree_set(0..4_usize, 0..4)).prop_map(|(roles, scopes)| Granted { roles, scopes })
}

fn some(expr: impl Strategy<Value = Expr> + Clone) -> impl Strategy<Value = Vec<Expr>> {
    vec(expr, 1..4)
}

/// Requirements without negation, for which more grants never remove access.
fn positive() -> impl Strategy<Value = Expr> + Clone {
    let leaf = prop_oneof![4 => (0..4_usize).prop_map(Role), 4 => (0..4_usize).prop_map(Scope), 1 => Just(Unknown)];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            some(inner.clone()).prop_map(And),
            some(inner.clone()).prop_map(Or),
            (some(inner.clone()), any::<prop::sample::Index>())
                .prop_map(|(parts, index)| AtLeast(index.index(parts.len()) + 1, parts)),
        ]
    })
}

/// Any requirement.
fn any_expr() -> impl Strategy<Value = Expr> + Clone {
    positive().prop_recursive(3, 48, 3, |inner| {
        prop_oneof![
            some(inner.clone()).prop_map(And),
            some(inner.clone()).prop_map(Or),
            inner.clone().prop_map(|inner| Not(Box::new(inner))),
            (some(inner.clone()), any::<prop::sample::Index>())
                .prop_map(|(parts, index)| AtLeast(index.index(parts.len()) + 1, parts)),
            inner.clone().prop_map(|inner| Hidden(Box::new(inner))),
            inner.prop_map(|inner| Shadow(Box::new(inner))),
        ]
    })
}

proptest! {
    #[test]
    fn s5_26_a_requirement_decides_as_its_truth_table(expr in any_expr(), held in held()) {
        let expected = expr.truth(&held).is_none_or(|truth| truth == Kleene::True);
        prop_assert_eq!(allows(&expr.requirement(), &held), expected, "{}", expr.requirement());
    }

    #[test]
    fn s5_26_and_or_not_obey_their_laws(a in any_expr(), b in any_expr(), c in any_expr(), held in held()) {
        let (a, b, c) = (a.requirement(), b.requirement(), c.requirement());
        let same = |one: Requirement, other: Requirement| {
            assert_eq!(allows(&one, &held), allows(&other, &held), "{one}   as   {other}");
        };
        same(a.clone().not().not(), a.clone());
        same(a.clone().and(b.clone()), b.clone().and(a.clone()));
        same(a.clone().or(b.clone()), b.clone().or(a.clone()));
        same(a.clone().and(b.clone()).and(c.clone()), a.clone().and(b.clone().and(c.clone())));
        same(a.clone().or(b.clone()).or(c.clone()), a.clone().or(b.clone().or(c.clone())));
        same(a.clone().and(b.clone()).not(), a.clone().not().or(b.clone().not()));
        same(a.clone().or(b.clone()).not(), a.clone().not().and(b.clone().not()));
        same(a.clone().and(a.clone()), a.clone());
        same(a.clone().or(a.clone()), a.clone());
        same(at_least(1, [a.clone(), b.clone(), c.clone()]), any_of([a.clone(), b.clone(), c.clone()]));
        same(a.clone().and(b.clone().shadowed()), a.clone());
        same(a.clone().or(b.clone().shadowed()), a.clone());
        if !a.is_shadow() && !b.is_shadow() && !c.is_shadow() {
            same(a.clone().and(b.clone().or(c.clone())), a.clone().and(b.clone()).or(a.clone().and(c.clone())));
            same(a.clone().or(b.clone().and(c.clone())), a.clone().or(b.clone()).and(a.clone().or(c.clone())));
            same(at_least(3, [a.clone(), b.clone(), c.clone()]), all_of([a.clone(), b, c]));
        }
        prop_assert!(a.is_shadow() || !(allows(&a, &held) && allows(&a.clone().not(), &held)), "never both: {}", a);
    }

    #[test]
    fn s5_26_a_hidden_requirement_decides_alike_and_says_only_404(expr in any_expr(), held in held()) {
        let plain = expr.requirement();
        match decide(&plain.clone().hidden(), &held) {
            Decision::Allowed => prop_assert!(allows(&plain, &held)),
            Decision::Denied(denial) => {
                prop_assert!(!allows(&plain, &held));
                prop_assert_eq!(denial, Denial::NotFound);
            }
        }
    }

    #[test]
    fn more_is_never_less_where_nothing_is_negated(expr in positive(), held in held(), more in held()) {
        let requirement = expr.requirement();
        let both = Granted { roles: &held.roles | &more.roles, scopes: &held.scopes | &more.scopes };
        prop_assert!(!allows(&requirement, &held) || allows(&requirement, &both), "{}", requirement);
    }

    #[test]
    fn s5_04_the_scopes_that_a_refusal_names_would_do(expr in positive(), held in held()) {
        let requirement = expr.requirement();
        if let Decision::Denied(Denial::Scopes(named)) = decide(&requirement, &held) {
            let indices = named.iter().filter_map(|name| NAMES.iter().position(|known| known == name));
            let helped = Granted { scopes: &held.scopes | &indices.collect(), ..held.clone() };
            prop_assert!(allows(&requirement, &helped), "{:?} for {}", named, requirement);
            prop_assert!(named.iter().all(|name| requirement.named_scopes().contains(&name.as_str())));
        }
    }

    #[test]
    fn a_requirement_read_from_its_data_decides_alike(expr in any_expr(), held in held()) {
        let requirement = expr.requirement();
        let read = Requirement::from_json(&requirement.to_json()).expect("its own data");
        prop_assert_eq!(decide(&read, &held), decide(&requirement, &held), "{}", requirement);
        prop_assert_eq!(read, requirement);
    }

    #[test]
    fn a_requirement_equals_its_copy_and_prints_alike(expr in any_expr()) {
        let requirement = expr.requirement();
        prop_assert_eq!(&expr.requirement(), &requirement);
        prop_assert_eq!(expr.requirement().to_string(), requirement.to_string());
        prop_assert_eq!(requirement.to_string().lines().count(), 1);
    }

    #[test]
    fn a_hierarchy_never_grants_less(
        edges in vec((0..6_usize, 0..6_usize), 0..8),
        mapped in vec((0..6_usize, 0..4_usize), 0..6),
        held in btree_set(0..6_usize, 0..4),
    ) {
        // Edges go only from lower to higher numbers, so that they form no cycle.
        let chains: Vec<String> = edges
            .iter()
            .filter(|(one, other)| one != other)
            .map(|(one, other)| format!("r{} > r{}", one.min(other), one.max(other)))
            .collect();
        let names = |roles: &BTreeSet<usize>| roles.iter().map(|role| format!("\"r{role}\"")).collect::<Vec<_>>().join(",");
        let read = |roles: &BTreeSet<usize>, chains: &[String]| {
            let flat = Authorities::new().roles_at("/roles").known_roles((0..6).map(|role| format!("r{role}")));
            let authorities = chains.iter().fold(flat, Authorities::hierarchy);
            let authorities = mapped.iter().fold(authorities, |authorities, (role, permission)| {
                authorities.role_permission(format!("r{role}"), format!("p{permission}"))
            });
            assert!(authorities.faults().is_empty(), "{:?}", authorities.faults());
            let claim_names: [Box<str>; 1] = ["roles".into()];
            let json = format!("{{\"roles\":[{}]}}", names(roles));
            let payload = Payload::parse(json.into_bytes(), &claim_names).expect("claims");
            authorities.read("https://issuer.test", &payload, &claim_names, &Namespaces::default()).expect("grants")
        };
        let holds = |more: &Grants, less: &Grants| {
            less.roles.iter().all(|role| more.roles.contains(role))
                && less.permissions.iter().all(|permission| more.permissions.contains(permission))
        };
        let full = read(&held, &chains);
        prop_assert!(holds(&full, &read(&held, &[])), "than without it");
        for fewer in 0..chains.len() {
            prop_assert!(holds(&full, &read(&held, &chains[..fewer])), "than with fewer chains");
        }
        for (one, other) in edges.iter().filter(|(one, other)| one != other) {
            let (higher, lower) = (BTreeSet::from([*one.min(other)]), BTreeSet::from([*one.max(other)]));
            prop_assert!(holds(&read(&higher, &chains), &read(&lower, &chains)), "the higher than the lower");
        }
    }
}
