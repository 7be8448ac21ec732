//! Step 4: a session is revoked.

use std::time::Instant;

use crate::Result;
use crate::fleet::Fleet;
use crate::issuer::{ANN, BOB};
use crate::report::{Report, seconds};

pub async fn revoked(report: &mut Report, fleet: &Fleet) -> Result<()> {
    report.step(4, "ann's session is revoked");
    let ann = fleet.parts.tokens.tokens(&ANN).await?;
    let bob = fleet.parts.tokens.tokens(&BOB).await?;
    let streams = fleet.open_streams(&ann).await?;
    report.answers("before, GET /items as ann gets 200", &fleet.ask(&ann, 200).await?);
    report.say("GET /events as ann is open at all twelve.");
    let revoked = Instant::now();
    fleet.parts.tokens.revoke_session(ANN.session.unwrap_or_default()).await?;
    report.say(&format!("The issuer has stored the revocation after {}.", seconds(revoked.elapsed())));
    let (refused, ended) = tokio::join!(fleet.ask_until(&ann, 401, revoked), fleet.ends(streams, revoked));
    report.answers("the same tokens, after the revocation, get 401", &refused?);
    report.answers("the streams end", &ended?);
    report.answers("GET /items as bob, who has another session, gets 200", &fleet.ask(&bob, 200).await?);
    report.end_of_step()
}
