//! Events of reports to a plane.

pub(crate) fn fleet_report_failed(plane: &str, error: &str) {
    tracing::warn!(target: "countersign::fleet", plane, error, "report not sent to the plane");
}

pub(crate) fn fleet_report_taken(plane: &str) {
    tracing::info!(target: "countersign::fleet", plane, "the plane takes reports again");
}
