//! What each peer refuses, as the test `checks` pins it.

use countersign_benches::measure::Plan;
use countersign_benches::peers::NAMES;
use countersign_benches::peers::checks::all_checks;
use countersign_benches::report::Report;

pub(crate) fn run(_: &Plan, report: &mut Report) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let _guard = runtime.enter();
    let row = |check: countersign_benches::peers::checks::Check| {
        let marks = check.refused.iter().map(|is_refused| if *is_refused { "refused" } else { "**accepted**" }.into());
        std::iter::once(check.what.to_owned()).chain(marks).collect()
    };
    let rows = all_checks().into_iter().map(row).collect();
    let note = "A good ES256 token, changed in one point and signed again, or with another key set. Countersign has its \
                defaults, each peer the strictest settings for access tokens that it offers: issuer, audience, `nbf`, the algorithm, the type of the token, 30 s of \
                leeway. A test sends these tokens. jsonwebtoken is used by itself, with the key that the `kid` names.";
    let head: Vec<&str> = std::iter::once("").chain(NAMES).collect();
    report.table("What is checked", note, &head, rows);
}
