//! Packet loss that the kernel makes in a network namespace of the benchmark.

use std::process::Command;

/// Argument of the process inside the namespace.
const ROLE: &str = "inside";

/// Returns whether this process runs inside the namespace.
pub fn is_inside() -> bool {
    std::env::args().nth(1).as_deref() == Some(ROLE)
}

/// Runs this binary again in a new network namespace that has only a loopback interface. Returns
/// whether it could. This needs `unshare`, `ip`, `nft` and the permission to use them.
pub fn run_inside() -> bool {
    let me = std::env::current_exe().expect("this binary");
    let map: &[&str] = match nix::unistd::geteuid().is_root() {
        true => &[],
        false => &["--map-root-user"],
    };
    Command::new("unshare")
        .arg("--net")
        .args(map)
        .arg(me)
        .arg(ROLE)
        .status()
        .is_ok_and(|status| status.success())
}

/// Brings the loopback interface up. Returns whether it is.
pub fn bring_up() -> bool {
    run("ip link set lo up")
}

/// Brings the loopback interface up. Returns whether packets can be dropped. Every packet then
/// passes through a chain of rules.
pub fn prepare() -> bool {
    bring_up() && run("nft add table inet loss") && {
        // Packets are dropped on input: a drop on output would be an error at the sender.
        run("nft add chain inet loss input { type filter hook input priority 0 ; }")
    }
}

/// Applies a verdict to one UDP packet in ten, in each direction.
pub fn every_tenth(verdict: &str) -> bool {
    run("nft flush chain inet loss input")
        && run(&format!(
            "nft add rule inet loss input meta l4proto udp numgen random mod 100 < 10 {verdict}"
        ))
}

fn run(line: &str) -> bool {
    let mut words = line.split(' ');
    words.next().is_some_and(|program| {
        Command::new(program)
            .args(words)
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .status()
            .is_ok_and(|status| status.success())
    })
}
