//! Step 6: the page of the plane.

use serde_json::Value;

use crate::Result;
use crate::fleet::Fleet;
use crate::report::Report;

pub async fn shows(report: &mut Report, fleet: &Fleet) -> Result<()> {
    let (plane, http) = (&fleet.parts.plane.url, &fleet.parts.http);
    report.step(6, "the page of the plane");
    let page = http.get(format!("{plane}/")).send().await?.error_for_status()?;
    let is_html = page.headers().get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    report.check(&format!("{plane}/ is a page"), is_html);
    // What its script reads.
    let data: Value = serde_json::from_str(&http.get(format!("{plane}/v1/fleet")).send().await?.text().await?)?;
    let groups = data["groups"].as_array().ok_or("the plane has no groups")?;
    for group in groups {
        let (name, agreeing, all) = (&group["name"], &group["agreeing"], &group["instances"]);
        report.say(&format!("   {:<9} {agreeing} of {all} agree", name.as_str().unwrap_or_default()));
    }
    let sum = |member: &str| groups.iter().filter_map(|group| group[member].as_u64()).sum::<u64>();
    let (agreeing, all) = (sum("agreeing"), sum("instances"));
    report.check(&format!("{agreeing} of {all} instances agree"), (agreeing, all) == (9, 12));
    let not_modified = fleet.parts.documents.not_modified();
    report.check(&format!("{not_modified} pulls were answered with 304 Not Modified"), not_modified > 0);
    Ok(())
}
