//! The limit of open files of this process, which connections share with the store, the log and outgoing requests.

use std::io;

/// The error codes of Unix for a process, and for a system, without another file.
const TOO_MANY_OPEN_FILES: [i32; 2] = [24, 23];

/// Returns whether `error` says that no other file can be opened.
pub(super) fn is_none_left(error: &io::Error) -> bool {
    cfg!(unix) && error.raw_os_error().is_some_and(|code| TOO_MANY_OPEN_FILES.contains(&code))
}

/// The limit, if the system states it in a file.
pub(super) fn limit() -> Option<usize> {
    of_limits(&std::fs::read_to_string("/proc/self/limits").ok()?)
}

/// The soft limit in the text of `/proc/self/limits`; `None` if there is none.
fn of_limits(text: &str) -> Option<usize> {
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_read() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max processes             7823                 7823                 processes \n\
                      Max open files            1024                 1048576              files     \n";
        assert_eq!(of_limits(limits), Some(1024));
        assert_eq!(of_limits(&limits.replace("1024 ", "unlimited ")), None);
        assert_eq!(of_limits("Max processes 1"), None);
    }
}
