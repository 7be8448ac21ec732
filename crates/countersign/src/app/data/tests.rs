use std::panic::{AssertUnwindSafe, catch_unwind};

use countersign_core::authz::{role, scope};
use countersign_test::TestIssuer;
use http::Request;
use tower::ServiceExt as _;

use super::*;
use crate::app::{RouteMatcher, protect};

fn fault(json: &str) -> String {
    RouteTable::from_json(json).expect_err(json).to_string()
}

#[test]
fn a_table_is_read_as_it_is_written() {
    let routes: Routes = Routes::new()
        .get("/health", Access::Public, || async {})
        .get("/catalog", Access::Optional, || async {})
        .get("/me", Access::Authenticated, || async {})
        .post("/orders/{id}", scope("orders:write").and(role("clerk")), || async {})
        .delete("/orders/{id}", role("admin").hidden(), || async {})
        .service("/files/{*path}", role("clerk"), axum::routing::get(|| async {}));
    let json = routes.table().to_json();
    let table = RouteTable::from_json(&json).expect("its own form");
    assert_eq!((&table, table.to_json()), (routes.table(), json));
    let made: Routes = Routes::from_table(&table, || async {}).expect("routes");
    assert_eq!(made.table(), &table);
}

#[test]
fn a_table_with_a_fault_is_refused_with_its_place() {
    let row = |members: &str| format!(r#"[{{"method":"GET","path":"/a","access":"public"}},{{{members}}}]"#);
    for (members, expected) in [
        (r#""method":"GET","path":"/b""#, "routes[1]: missing field `access`"),
        (r#""method":"GET","path":"/b","access":"open""#, "access: not one of public"),
        (r#""method":"get","path":"/b","access":"public""#, "method: not one of GET"),
        (r#""method":"OPTIONS","path":"/b","access":"public""#, "method: not one of GET"),
        (r#""method":"GET","path":"/b","access":"public","acess":"public""#, "unknown field `acess`"),
        (r#""method":"GET","path":"/b","access":"public","access":"authenticated""#, "duplicate field `access`"),
        (r#""method":"GET","path":"/b","access":"public","acce\u0073s":"public""#, "duplicate field `access`"),
        (r#""method":"GET","path":"/b","access":"required""#, "rule: missing"),
        (r#""method":"GET","path":"/b","access":"required","rule":null"#, "rule: missing"),
        (r#""method":"GET","path":"/b","access":"required","rule":{"scoop":"x"}"#, "rule: "),
        (r#""method":"GET","path":"/b","access":"required","rule":{"scope":"x","scope":"y"}"#, "rule: "),
        (r#""method":"GET","path":"/b","access":"public","rule":{"scope":"x"}"#, "rule: not evaluated"),
        (r#""method":"GET","path":"b","access":"public""#, "does not start with /"),
        (r#""method":"GET","path":"","access":"public""#, "does not start with /"),
        (r#""method":"GET","path":"/:b","access":"public""#, "write a parameter as {name}"),
        (r#""method":"GET","path":"/*b","access":"public""#, "write a wildcard as {*name}"),
        (r#""method":"GET","path":"/{b","access":"public""#, "the router does not take this path"),
        (r#""method":"GET","path":"/{*b}/c","access":"public""#, "the router does not take this path"),
        (r#""method":"GET","path":"/{}","access":"public""#, "the router does not take this path"),
        (r#""method":"GET","path":"/a","access":"authenticated""#, "GET /a: in the table twice"),
    ] {
        let fault = fault(&row(members));
        assert!(fault.contains(expected), "{members}: {fault}");
    }
    for (json, expected) in [
        ("{}", "not the array"),
        ("", "not the array"),
        (r#"[1]"#, "routes[0]"),
        (r#"[] []"#, "not the array"),
        (
            r#"[{"method":"GET","path":"/{a}","access":"public"},{"method":"POST","path":"/{b}","access":"public"}]"#,
            "the router does not take this path",
        ),
        (
            r#"[{"method":"GET","path":"/a","access":"required","rule":{"hidden":{"role":"x"}}},
                {"method":"ANY","path":"/a","access":"public"}]"#,
            "ANY /a: the path has a hidden route for GET",
        ),
    ] {
        let fault = fault(json);
        assert!(fault.contains(expected), "{json}: {fault}");
    }
    assert!(fault(&format!("[{}]", " ".repeat(MAX_TABLE_BYTES))).contains("longer than"));
    let many = vec![r#"{"method":"GET","path":"/a","access":"public"}"#; MAX_ROUTES + 1].join(",");
    assert!(fault(&format!("[{many}]")).contains("more than"));
}

/// A small generator, so that the tables are the same in each run.
struct Dice(u64);

impl Dice {
    fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        of[(self.0 >> 33) as usize % of.len()]
    }
}

#[test]
fn what_from_table_takes_makes_no_router_panic_and_routes_as_the_router_does() {
    let issuer = TestIssuer::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let (mut dice, mut taken) = (Dice(7), 0);
    let paths = [
        "/", "/a", "/a/", "/{x}", "/{y}", "/a/{x}", "/a/{*r}", "/{*r}", "/a{x}", "/{x}b", "/{{x}}", "/{{x", "//", "a",
        "/:a", "/*", "/{x}{y}", "/{*r}/a", "/a%2fb", "/\u{e4}", "/{x*}", "/{x/y}",
    ];
    let accesses = [
        r#""access":"public""#,
        r#""access":"optional""#,
        r#""access":"authenticated""#,
        r#""access":"required","rule":{"role":"a"}"#,
        r#""access":"required","rule":{"hidden":{"role":"a"}}"#,
    ];
    for _ in 0..1_000 {
        let count = *dice.pick(&[&1, &2, &3, &4]);
        let rows: Vec<String> = (0..count)
            .map(|_| {
                let (method, path) = (dice.pick(&["GET", "POST", "ANY", "DELETE"]), dice.pick(&paths));
                format!(r#"{{"method":"{method}","path":"{path}",{}}}"#, dice.pick(&accesses))
            })
            .collect();
        let json = format!("[{}]", rows.join(","));
        let Ok(table) = RouteTable::from_json(&json) else { continue };
        taken += 1;
        let matcher = RouteMatcher::new(&table);
        let made = catch_unwind(AssertUnwindSafe(|| {
            let routes: Routes = Routes::from_table(&table, || async {}).expect("routes");
            protect(routes, issuer.verifier_for("orders"))
        }));
        let app = made.unwrap_or_else(|_| panic!("{json}"));
        let token = issuer.token().audience("orders").role("a").sign();
        for path in ["/", "/a", "/b", "/a/b", "/a/", "/ab", "/a/b/c", "/%7Bx%7D", "//"] {
            for method in ["GET", "HEAD", "POST", "PUT"] {
                let request =
                    Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
                let request = request.body(axum::body::Body::empty()).expect("a request");
                let answer = runtime.block_on(app.clone().oneshot(request)).expect("an answer");
                let is_found = matcher.route_of(method, path).is_some();
                assert_eq!(answer.status().is_success(), is_found, "{method} {path}: {} {json}", answer.status());
            }
        }
    }
    assert!(taken > 150, "{taken}");
}
