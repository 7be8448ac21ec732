//! The memory that revocations take in each verifier, by counted allocations.

use countersign::revocation::RevocationList;
use countersign_benches::allocations::live_bytes;
use countersign_benches::report::{Report, short};
use countersign_benches::revoked;
use countersign_core::status::StatusList;

use crate::Result;
use crate::world::LISTED;

/// The sizes of lists of identifiers.
const SIZES: [usize; 3] = [1_000, 100_000, 400_000];

const MIB: f64 = 1024.0 * 1024.0;

pub(crate) fn run(report: &mut Report) -> Result<()> {
    let mut rows = Vec::new();
    for size in SIZES {
        let before = live_bytes();
        let list = RevocationList::new();
        revoked::fill(&list, size);
        let bytes = (live_bytes() - before) as f64;
        rows.push(vec![format!("{size} identifiers"), short(bytes / MIB), short(bytes / size as f64)]);
        // A short list has fixed parts, which count little in a long one.
        if size >= 100_000 {
            report.at_most(format!("memory of {size} identifiers"), " bytes each", 24.0, bytes / size as f64);
        }
        drop(list);
    }
    let whole = StatusList::new(1, LISTED)?;
    let compressed = whole.to_compressed();
    let before = live_bytes();
    let list = StatusList::from_compressed(1, &compressed, 1 << 20)?;
    let bytes = (live_bytes() - before) as f64;
    rows.push(vec!["a status list of 1,000,000 tokens".into(), short(bytes / MIB), short(bytes / LISTED as f64)]);
    report.at_most("memory of a status list of 1,000,000 tokens", " MiB", 2.0, bytes / MIB);
    drop(list);
    report.table("Memory of revocations", "Counted allocations of one verifier.", &["", "MiB", "bytes each"], rows);
    Ok(())
}
