//! Reading of the durable list.

use std::time::Duration;

use countersign_core::revocation::{LogPage, MAX_LOG_NAME_BYTES, RevocationLog};

use crate::link::Failure;

/// The longest wait for a page of the list.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// A page of the list.
pub(super) async fn read(log: &dyn RevocationLog, after: u64) -> Result<LogPage, Failure> {
    let unreadable = Failure::Refused("the durable list of revocations cannot be read");
    let page = tokio::time::timeout(READ_WITHIN, log.read(after)).await.map_err(|_| unreadable)?;
    let page = page.map_err(|_| unreadable)?;
    let is_named = (1..=MAX_LOG_NAME_BYTES).contains(&page.log().len());
    if is_named { Ok(page) } else { Err(Failure::Refused("the durable list of revocations has no name")) }
}
