//! A network namespace per test: packet loss, IPv6 peers, and no route to the Internet.

use std::process::Command;

/// Environment variable that holds the name of the test inside its namespace.
const INSIDE: &str = "SEEDWATCH_TEST_NETNS";

/// Runs the test with this full name again in a new network and mount namespace, with the loopback
/// interface up. Returns `true` in the outer process, whose test then has nothing left to do.
///
/// ```ignore
/// if netns::outside("loss::some_test") { return; }
/// ```
pub(crate) fn outside(test: &str) -> bool {
    if std::env::var(INSIDE).as_deref() == Ok(test) {
        run("ip link set lo up");
        // Allows any source address in this network: every IPv6 peer has its own /64.
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
    // A wrong test name would match no test, and the run would succeed.
    assert!(
        output.status.success() && text.contains("1 passed"),
        "in the network namespace:\n{text}"
    );
    true
}

/// Runs an administration command. Arguments are separated by spaces.
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

/// Drops this percentage of all UDP packets in each direction; must be below 100.
pub(crate) fn lose_udp(percent: u32) {
    run("nft add table inet loss");
    // Drops on input, because a drop on output would return an error to the sender.
    run("nft add chain inet loss input { type filter hook input priority 0 ; }");
    run(&format!(
        "nft add rule inet loss input meta l4proto udp numgen random mod 100 < {percent} drop"
    ));
}

/// Simulates an outage: drops all packets to the trackers of the rig, and all UDP packets.
pub(crate) fn cut() {
    run("nft add table inet outage");
    run("nft add chain inet outage input { type filter hook input priority -1 ; }");
    run("nft add rule inet outage input meta l4proto udp drop");
    run("nft add rule inet outage input ip daddr { 127.64.0.0/10, 127.128.0.0/9 } drop");
}

/// Ends the outage that [`cut`] simulates.
pub(crate) fn restore() {
    run("nft delete table inet outage");
}
