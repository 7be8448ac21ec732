//! Opens a page in the user's browser.

use std::process::{Command, Stdio};

/// Opens `url` in `$BROWSER`, otherwise in the system's browser. Returns whether a program was started.
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
