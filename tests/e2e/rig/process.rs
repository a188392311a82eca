//! Child processes that end with their test.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{http, netns, wait};

/// A running program with its recorded output. It is killed when dropped; the kernel kills it if
/// the thread that started it ends.
pub(crate) struct Process {
    name: String,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts a program with its arguments.
    pub(crate) fn start<S: AsRef<OsStr>>(name: &str, command: &[S]) -> Self {
        // Debian installs some servers in directories that only root has in `PATH`.
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
        let mut child = Command::new("setpriv")
            .env("PATH", path)
            .args(["--pdeathsig", "KILL", "--"])
            .args(command)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let log = Arc::new(Mutex::new(Vec::new()));
        record(child.stdout.take().unwrap(), Arc::clone(&log));
        record(child.stderr.take().unwrap(), Arc::clone(&log));
        Self {
            name: name.to_owned(),
            child,
            log,
        }
    }

    /// Changes the limit of open files of the process.
    pub(crate) fn limit_files(&self, count: u32) {
        netns::run(&format!(
            "prlimit --pid {} --nofile={count}:",
            self.child.id()
        ));
    }

    /// Returns the peak resident memory of the process in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(status).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = peak.unwrap().trim().trim_end_matches(" kB");
        kilobytes.parse::<u64>().unwrap() * 1024
    }

    /// Returns the output so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// Waits for a line that contains `needle` and returns it.
    pub(crate) fn wait_for_line(&mut self, needle: &str) -> String {
        let log = Arc::clone(&self.log);
        self.wait_until_ready(needle, || {
            log.lock()
                .unwrap()
                .iter()
                .find(|line| line.contains(needle))
                .cloned()
        })
    }

    /// Waits until `ready` returns a value. Panics with the log if the program exits first.
    pub(crate) fn wait_until_ready<T>(
        &mut self,
        what: &str,
        mut ready: impl FnMut() -> Option<T>,
    ) -> T {
        wait::until(&format!("{}: {what}", self.name), wait::PATIENCE, || {
            let answer = ready();
            if answer.is_none()
                && let Some(status) = self.child.try_wait().unwrap()
            {
                panic!("{} exited with {status}:\n{}", self.name, self.log());
            }
            answer
        })
    }

    /// Waits until a server of Prometheus answers `/-/ready` with status 200.
    pub(crate) fn wait_until_http_ready(&mut self, address: SocketAddr) {
        self.wait_until_ready("is ready", || {
            let answer = http::request(address, "GET", "/-/ready", &[]);
            let is_ready = answer.is_ok_and(|answer| answer.status == 200);
            is_ready.then_some(())
        });
    }

    /// Sends a signal to the process.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    /// Waits until the process exits.
    pub(crate) fn wait_for_end(&mut self) -> ExitStatus {
        wait::until(&format!("{} exits", self.name), wait::PATIENCE, || {
            self.child.try_wait().unwrap()
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails if the process has already exited, which is harmless.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(40)..];
            eprintln!("--- output of {} ---\n{}", self.name, tail.join("\n"));
        }
    }
}

fn record(output: impl Read + Send + 'static, log: Arc<Mutex<Vec<String>>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n') {
            let Ok(line) = line else { return };
            log.lock()
                .unwrap()
                .push(String::from_utf8_lossy(&line).into_owned());
        }
    });
}
