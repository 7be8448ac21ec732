//! Showing a page in the user's browser.

use std::process::{Command, Stdio};

/// Opens `url` in `$BROWSER`, else in the system's browser. Whether anything opened is the user's to see.
pub(super) fn browser(url: &str) -> bool {
    let named = std::env::var("BROWSER").ok().filter(|program| !program.is_empty());
    let mut command = match named {
        Some(program) => Command::new(program),
        None if cfg!(target_os = "macos") => Command::new("open"),
        None if cfg!(target_os = "windows") => Command::new("explorer"),
        None => Command::new("xdg-open"),
    };
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().is_ok()
}
