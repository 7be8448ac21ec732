//! A test of the same program in a process of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A process that runs one ignored test, which serves requests. It is killed on drop.
#[derive(Debug)]
pub struct TestProcess {
    child: Child,
    pub url: String,
}

impl TestProcess {
    /// Starts the test of this name with these environment variables, and waits for the line `url …` that it prints.
    pub fn start<'v>(test: &str, variables: impl IntoIterator<Item = (&'v str, String)>) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this test"));
        command.args([test, "--exact", "--ignored", "--nocapture"]).envs(variables);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let url = lines.find_map(|line| line.strip_prefix("url ").map(str::to_owned)).expect("a URL");
        std::thread::spawn(move || lines.for_each(drop)); // what the runner of tests says later
        TestProcess { child, url }
    }
}

impl Drop for TestProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
