//! This binary as a child process, so that only the CPU time of the client is counted.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A child process. It ends when this value is dropped, or when this process ends and closes its
/// standard input.
pub struct ChildProcess {
    child: Child,
    /// First line of its output.
    pub line: String,
}

impl ChildProcess {
    /// Starts it in a role and waits for its first line.
    pub fn start(role: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("our own path"))
            .arg(role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a second process");
        let mut line = String::new();
        let output = child.stdout.take().expect("piped");
        BufReader::new(output).read_line(&mut line).expect("a line");
        Self { child, line }
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
