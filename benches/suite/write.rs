//! Writes `BENCHMARKS.md` and its chart.

use std::fs;
use std::path::Path;

use countersign_benches::report::{Report, chart, without_others};

const TITLE: &str = "A new token, relative to the signature check";

/// Writes both files at the top of the repository.
pub(crate) fn all(report: &Report) -> std::io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let before = fs::read_to_string(root.join("BENCHMARKS.md")).unwrap_or_default();
    let (_, of_others) = without_others(&before);
    let text = format!(
        "# Benchmarks\n\n\
         This project and its peers, measured in turns within one run. Compare the ratios, not the \
                nanoseconds. Written by\n\n\
         ```text\ncargo bench --manifest-path benches/Cargo.toml -- --write\n```\n\n\
         Without `--write` the results are only printed. `--quick` takes a fraction of the time. Names of \
                parts (`miss`, `hit`) run only those parts.\n\n\
         Machine: {}, {} threads, {}. Peers use aws-lc-rs if they can. Allocations are counted in Rust code; calls of malloc within \
                aws-lc are not.\n\n\
         ![{TITLE}](docs/benchmarks.svg)\n\n\
         ## Goals\n\n{}\n{}{}{of_others}",
        processor(),
        std::thread::available_parallelism().map_or(1, usize::from),
        std::env::consts::OS,
        report.goals().markdown(),
        report.markdown(),
        if of_others.is_empty() { "" } else { "\n" },
    );
    fs::create_dir_all(root.join("docs"))?;
    fs::write(root.join("docs/benchmarks.svg"), chart(TITLE, report.bars()))?;
    fs::write(root.join("BENCHMARKS.md"), text)
}

fn processor() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("an unnamed processor");
    name.trim_start_matches([' ', '\t', ':']).to_owned()
}
