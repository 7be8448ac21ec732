//! Step 5: three instances are not as they should be.

use crate::Result;
use crate::bundles::{Rules, policy};
use crate::command;
use crate::fleet::Fleet;
use crate::issuer::OPERATOR;
use crate::report::Report;

pub async fn found(report: &mut Report, fleet: &mut Fleet) -> Result<()> {
    report.step(5, "three instances are not as they should be");
    let parts = &fleet.parts;
    let publish = |zones: &[&str], service, rules| {
        let policy = policy(parts.tokens.url(), service, rules)?;
        parts.operator.publish(&parts.documents, zones, service, 3, policy)
    };
    report.say("billing-2 gets a revision 3 that accepts tokens for any audience, which its deny_danger forbids.");
    publish(&["zone-b"], "billing", Rules::AnyAudience)?;
    report.say("stock-3 does not get revision 3 of its policy: nobody copied it to zone-c.");
    publish(&["zone-a", "zone-b"], "stock", Rules::ShortLeeway)?;
    report.say("shipping-3 was started by hand, with a policy in code that accepts tokens for any audience.");
    fleet.hint().await?;
    fleet.start_by_hand("shipping-3").await?;

    let expected = [
        "billing: 2 of 3 agree on revision 2 ",
        "orders: 3 of 3 agree on revision 2 ",
        "shipping: 2 of 3 agree on revision 2 ",
        "stock: 2 of 3 agree on revision 3 ",
        "refused (",
        "lagging",
        "other policy, weakened (",
    ];
    let status = fleet.look_until(&["status"], 1, &expected).await?;
    report.command(&status, 1, &expected);
    for (instance, state) in [("billing-2", "refused ("), ("stock-3", "lagging"), ("shipping-3", "weakened (")] {
        let is_found = status.output.lines().any(|line| line.contains(instance) && line.contains(state));
        report.check(&format!("{instance}: {}", state.trim_end_matches(" (")), is_found);
    }
    let token = fleet.parts.tokens.tokens(&OPERATOR).await?;
    for (service, expected) in [("stock", "leeway: 5s -> 30s"), ("shipping", "audience")] {
        report.say(&format!("The instances of {service}, asked by their own routes:"));
        let of_service = fleet.instances.iter().filter(|instance| instance.service == service);
        let routes: Vec<String> = of_service.map(|instance| format!("{}/fleet", instance.url())).collect();
        let routes = routes.iter().flat_map(|route| ["--service", route]);
        let arguments: Vec<&str> = ["fleet", "diff"].into_iter().chain(routes).collect();
        let diff = command::run(&arguments, Some(token.of(service))).await?;
        report.command(&diff, 1, &[&format!("{service} {service}-3:"), expected]);
    }
    report.end_of_step()
}
