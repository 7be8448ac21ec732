//! Runs this program again under callgrind and reads the instructions of each measured loop.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The argument that makes this program run its loops and nothing else.
pub(crate) const CHILD: &str = "--under-callgrind";

/// Calls `once` so many times. Callgrind finds this function by its name and collects only in here.
#[unsafe(no_mangle)] // SAFETY: no library exports this name; two definitions would fail to link.
#[inline(never)]
pub(crate) fn countersign_counted_loop(once: &mut dyn FnMut(), calls: u32) {
    for _ in 0..calls {
        once();
    }
}
pub(crate) use countersign_counted_loop as counted;

/// Why instructions cannot be counted or compared here.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Obstacle {
    /// The baseline has the instructions of another processor.
    OtherTarget,
    /// There is no valgrind.
    NoValgrind,
}

impl Obstacle {
    /// CI can install valgrind, but it cannot be another machine.
    pub(crate) fn fails_in_ci(self) -> bool {
        matches!(self, Obstacle::NoValgrind) && std::env::var("CI").is_ok_and(|value| value == "true")
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Obstacle::OtherTarget => "this is not x86-64 Linux, as the baseline is",
            Obstacle::NoValgrind => "valgrind is not installed (Debian: apt-get install valgrind)",
        })
    }
}

pub(crate) fn obstacle() -> Option<Obstacle> {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        return Some(Obstacle::OtherTarget);
    }
    let found = Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success());
    (!found).then_some(Obstacle::NoValgrind)
}

/// The instructions of each loop without those of aws-lc; `loops` has the number of loops of each case.
pub(crate) fn run(loops: &[usize]) -> Result<Vec<Vec<u64>>, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("callgrind");
    let _ = fs::remove_dir_all(&folder); // dumps of an earlier run
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let dump = folder.join("dump");
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=countersign_counted_loop", "--compress-strings=no"])
        .arg("--dump-after=countersign_counted_loop")
        .arg(format!("--callgrind-out-file={}", dump.display()))
        .arg(program)
        .arg(CHILD)
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    if !output.status.success() {
        return Err(format!("valgrind ended with {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)));
    }
    // Each call of the loop leaves one dump, numbered from 1.
    let mut number = 0;
    let mut next = || {
        number += 1;
        instructions(&folder.join(format!("dump.{number}")))
    };
    loops.iter().map(|count| (0..*count).map(|_| next()).collect()).collect()
}

/// All instructions of a dump but those of aws-lc.
///
/// aws-lc picks its assembly by the processor's features, so that its part differs between machines; and what malloc costs
/// it depends on the state of the heap, by 3 % of our part of an RSA check. Therefore each call from Rust into aws-lc is
/// left out with all that it calls.
fn instructions(dump: &Path) -> Result<u64, String> {
    let text = fs::read_to_string(dump).map_err(|error| format!("{}: {error}", dump.display()))?;
    let (mut total, mut excluded) = (0, 0);
    let (mut caller, mut callee) = ("", "");
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        match line.split_once('=').or_else(|| line.split_once(": ")) {
            Some(("fn", name)) => caller = name,
            Some(("cfn", name)) => callee = name,
            // The next line has the cost of these calls, callees of the callee included.
            Some(("calls", _)) => {
                let cost = lines.next().and_then(|cost| number(cost.split(' ').nth(1)?));
                let cost = cost.ok_or_else(|| format!("{}: a call without its cost", dump.display()))?;
                // C functions may have any name, but no `::`.
                if caller.contains("::") && !is_of_aws_lc(caller) && is_of_aws_lc(callee) {
                    excluded += cost;
                }
            }
            Some(("totals", value)) => total = number(value).unwrap_or(0),
            _ => {}
        }
    }
    total.checked_sub(excluded).filter(|own| *own > 0).ok_or_else(|| format!("{}: no instructions", dump.display()))
}

fn is_of_aws_lc(function: &str) -> bool {
    function.trim_start_matches('<').starts_with("aws_lc_")
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}
