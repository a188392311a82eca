//! A network of a test's own: packet loss, IPv6 peers, no way out.

use std::process::Command;

/// Set to the name of the test inside its namespace.
const INSIDE: &str = "SEEDWATCH_TEST_NETNS";

/// Runs the test of this full name once more inside a new network and mount namespace whose
/// loopback interface is up. Returns whether the caller is outside, where nothing is left to do.
///
/// ```ignore
/// if netns::outside("loss::some_test") { return; }
/// ```
pub(crate) fn outside(test: &str) -> bool {
    if std::env::var(INSIDE).as_deref() == Ok(test) {
        run("ip link set lo up");
        // Any address of this net can be a source: a /64 for every IPv6 peer.
        run("ip -6 route add local fd77::/16 dev lo");
        run("sysctl -qw net.ipv6.ip_nonlocal_bind=1");
        return false;
    }
    let is_root = nix::unistd::geteuid().is_root();
    let map: &[&str] = if is_root { &[] } else { &["--map-root-user"] };
    let output = Command::new("unshare")
        .args(["--net", "--mount"])
        .args(map)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, test)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    // A wrong name would match no test and succeed.
    assert!(
        output.status.success() && text.contains("1 passed"),
        "inside its own network:\n{text}"
    );
    true
}

/// Runs a command line of administration, split at spaces.
pub(crate) fn run(line: &str) {
    let mut words = line.split(' ');
    let output = Command::new(words.next().unwrap())
        .args(words)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {error}");
}

/// Loses this percentage of all UDP packets, in each direction; below 100.
pub(crate) fn lose_udp(percent: u32) {
    run("nft add table inet loss");
    // On the way in: a drop on the way out would show as an error at the sender.
    run("nft add chain inet loss input { type filter hook input priority 0 ; }");
    run(&format!(
        "nft add rule inet loss input meta l4proto udp numgen random mod 100 < {percent} drop"
    ));
}

/// Cuts the network: nothing reaches the trackers of the rig any more, and nobody gets UDP.
pub(crate) fn cut() {
    run("nft add table inet outage");
    run("nft add chain inet outage input { type filter hook input priority -1 ; }");
    run("nft add rule inet outage input meta l4proto udp drop");
    run("nft add rule inet outage input ip daddr { 127.64.0.0/10, 127.128.0.0/9 } drop");
}

/// Ends [`cut`].
pub(crate) fn mend() {
    run("nft delete table inet outage");
}
