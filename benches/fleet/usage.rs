//! Processor time and memory, as Linux states them.

use std::fs;

/// The clock ticks of a second in `/proc`.
const TICKS: f64 = 100.0;

/// Seconds that a process has used the processors.
pub(crate) fn busy_of_process(process: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let after = text.rsplit_once(')').map_or("", |(_, after)| after);
    let fields: Vec<f64> = after.split_whitespace().filter_map(|field| field.parse().ok()).collect();
    // The state, which is no number, is left out: user and system time are the 11th and 12th number.
    fields.get(10).zip(fields.get(11)).map_or(0.0, |(user, system)| (user + system) / TICKS)
}

/// Seconds that the threads of this process with this name have used the processors.
pub(crate) fn busy_of_threads(name: &str) -> f64 {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanos = tasks.filter_map(|task| {
        let comm = fs::read_to_string(task.path().join("comm")).ok()?;
        let stat = (comm.trim() == name).then(|| fs::read_to_string(task.path().join("schedstat")).ok())??;
        stat.split(' ').next()?.parse::<f64>().ok()
    });
    nanos.sum::<f64>() / 1e9
}

/// The resident memory of a process in bytes.
pub(crate) fn resident(process: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{process}/statm")).unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<f64>().ok()).unwrap_or(0.0) * 4096.0
}
