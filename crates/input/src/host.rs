//! Host names that the public DNS does not serve.

/// Zones that the public DNS does not serve (RFC 6761, 6762 and 8375, and ICANN's `.internal`),
/// together with the widespread `.lan`.
const LOCAL_ZONES: [&str; 5] = ["localhost", "local", "lan", "internal", "home.arpa"];

/// Returns whether a name, in lower case and without a trailing dot, is in a zone that the public
/// DNS does not serve.
pub fn is_in_local_zone(name: &str) -> bool {
    LOCAL_ZONES.iter().any(|zone| is_in_zone(name, zone))
}

/// Returns whether a name is below a zone.
pub fn is_in_zone(name: &str, zone: &str) -> bool {
    name.strip_suffix(zone)
        .is_some_and(|rest| rest.ends_with('.'))
}
