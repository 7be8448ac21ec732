//! The smallest service of each library, built from nothing in release: time, crates, and the size of the program.
//!
//!     cargo bench --manifest-path benches/Cargo.toml --no-default-features --bench build [-- NAME …] [-- --write]
//!
//! Each program is a package of its own in a folder for temporary files, with a target folder of its own. Crates are fetched
//! before the time begins. Times need a machine without other work; crates and sizes do not.

mod programs;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use countersign_benches::report::{BUILD_HEADING, Report, Table, short, with_build};

use crate::programs::{PROGRAMS, Program};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    // Cargo passes `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let (flags, names): (Vec<&String>, Vec<&String>) = arguments.iter().partition(|name| name.starts_with("--"));
    let writes = flags.iter().any(|flag| *flag == "--write");
    let is_known = |name: &&String| PROGRAMS.iter().any(|program| program.name == **name);
    if flags.len() > usize::from(writes) || !names.iter().all(is_known) || (writes && !names.is_empty()) {
        let known: Vec<&str> = PROGRAMS.iter().map(|program| program.name).collect();
        return Err(format!("programs are {}; --write takes none, since it writes them all", known.join(", ")).into());
    }
    let mut rows = Vec::new();
    for program in PROGRAMS.iter().filter(|program| names.is_empty() || names.contains(&&program.name.to_owned())) {
        eprintln!("{} …", program.title);
        let folder = Folder::new(program.name)?;
        let row = row(program, &build(program, &folder.0)?);
        eprintln!("  {} s, {} crates, {} MiB", row[1], row[2], row[3]);
        rows.push(row);
    }
    let note = "The smallest service of each library with one route that requires a token, in release, from an empty target folder. \
                Crates are those that are compiled for the program, without those only used to build others. The size is that of \
                the program without symbols.";
    let head = ["", "seconds", "crates", "MiB"];
    Report::default().table("A build from nothing", note, &head, rows.clone());
    if writes { write(note, &head, rows) } else { Ok(()) }
}

/// What a build took.
struct Built {
    seconds: f64,
    crates: usize,
    bytes: u64,
}

fn row(program: &Program, built: &Built) -> Vec<String> {
    let mib = built.bytes as f64 / f64::from(1 << 20);
    vec![program.title.to_owned(), short(built.seconds.round()), built.crates.to_string(), format!("{mib:.1}")]
}

fn build(program: &Program, folder: &Path) -> Result<Built> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates").canonicalize()?;
    let dependencies = program.dependencies.replace("{crates}", &crates.display().to_string());
    let manifest = format!(
        "[workspace]\n\n[package]\nname = \"service\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n\
         {dependencies}\n\n[profile.release]\nstrip = true\n"
    );
    std::fs::create_dir_all(folder.join("src"))?;
    std::fs::write(folder.join("Cargo.toml"), manifest)?;
    std::fs::write(folder.join("src/main.rs"), program.code)?;
    cargo(folder, &["fetch", "--quiet"])?;
    let tree = cargo(folder, &["tree", "--edges", "normal", "--prefix", "none", "--format", "{p}"])?;
    let names: BTreeSet<&str> = tree.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    let start = Instant::now();
    cargo(folder, &["build", "--quiet", "--release", "--offline"])?;
    let seconds = start.elapsed().as_secs_f64();
    let bytes = std::fs::metadata(folder.join("target/release/service"))?.len();
    Ok(Built { seconds, crates: names.len() - 1, bytes })
}

/// The output of cargo, which builds into the folder whatever the caller's settings are.
fn cargo(folder: &Path, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(folder).env("CARGO_TARGET_DIR", folder.join("target")).env_remove("RUSTFLAGS");
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("cargo {}: {}", arguments[0], String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Writes the part of `BENCHMARKS.md`, before that of the fleet.
fn write(note: &str, head: &[&str], rows: Vec<Vec<String>>) -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../BENCHMARKS.md");
    let before = std::fs::read_to_string(&path)?;
    let head = head.iter().map(ToString::to_string).collect();
    let table = Table { title: String::new(), note: String::new(), head, rows };
    let command = "cargo bench --manifest-path benches/Cargo.toml --no-default-features --bench build -- --write";
    let part = format!("{BUILD_HEADING}\n\n{note} Written by\n\n```text\n{command}\n```\n\n{}", table.markdown());
    Ok(std::fs::write(path, with_build(&before, &part))?)
}

/// A folder that is removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("countersign-build-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
