//! This binary as a child process, so that only the CPU time of the client is counted.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

/// A child process. It ends when this value is dropped, or when this process ends and closes its
/// standard input.
pub struct ChildProcess(Child);

impl ChildProcess {
    /// Starts this binary with a role as its first argument.
    pub fn start(role: &str, arguments: &[String]) -> Self {
        let child = Command::new(std::env::current_exe().expect("our own path"))
            .arg(role)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a second process");
        Self(child)
    }

    /// Reads `length` bytes of its output.
    pub fn read(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let output = self.0.stdout.as_mut().expect("piped");
        output.read_exact(&mut bytes).expect("output of the child");
        bytes
    }

    /// Reads a line of its output, without the line break.
    pub fn read_line(&mut self) -> String {
        let bytes = std::iter::repeat_with(|| self.read(1)[0]);
        let line: Vec<u8> = bytes.take_while(|byte| *byte != b'\n').collect();
        String::from_utf8(line).expect("text")
    }

    /// Writes to its standard input.
    pub fn write(&mut self, bytes: &[u8]) {
        let input = self.0.stdin.as_mut().expect("piped");
        input.write_all(bytes).expect("the child runs");
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
