//! `curve_preferences`.

use rustls::crypto::SupportedKxGroup;
use rustls::crypto::ring::kx_group;

/// A curve for the key exchange.
pub(crate) type Curve = &'static dyn SupportedKxGroup;

/// The curves that the exporter toolkit knows. CurveP521 may be named, but is never used.
const KNOWN: [(&str, Option<Curve>); 4] = [
    ("CurveP256", Some(kx_group::SECP256R1)),
    ("CurveP384", Some(kx_group::SECP384R1)),
    ("CurveP521", None),
    ("X25519", Some(kx_group::X25519)),
];

/// The names of all curves.
pub(crate) fn names() -> String {
    KNOWN.map(|(name, _)| name).join(", ")
}

/// A curve by its name. `Some(None)` is one that is known and cannot be used.
pub(crate) fn find(name: &str) -> Option<Option<Curve>> {
    let known = KNOWN.iter().find(|(known, _)| *known == name);
    known.map(|(_, curve)| *curve)
}
