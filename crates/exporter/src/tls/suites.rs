//! `cipher_suites`, `min_version` and `max_version`.

use rustls::crypto::ring::cipher_suite as ring;
use rustls::{CipherSuite, SupportedCipherSuite, SupportedProtocolVersion, version};

/// The suites that the exporter toolkit knows. Those with a block cipher in CBC mode may be named,
/// but are never used.
const KNOWN: [(&str, Option<SupportedCipherSuite>); 13] = [
    (
        "TLS_AES_128_GCM_SHA256",
        Some(ring::TLS13_AES_128_GCM_SHA256),
    ),
    (
        "TLS_AES_256_GCM_SHA384",
        Some(ring::TLS13_AES_256_GCM_SHA384),
    ),
    (
        "TLS_CHACHA20_POLY1305_SHA256",
        Some(ring::TLS13_CHACHA20_POLY1305_SHA256),
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        Some(ring::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        Some(ring::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        Some(ring::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ),
    (
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        Some(ring::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ),
    (
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        Some(ring::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ),
    (
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        Some(ring::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
    ),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", None),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", None),
    ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", None),
    ("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", None),
];

/// Whether the exporter toolkit knows the suite.
pub(crate) fn is_known(name: &str) -> bool {
    KNOWN.iter().any(|(known, _)| *known == name)
}

/// The names of all suites.
pub fn names() -> String {
    KNOWN.map(|(name, _)| name).join(", ")
}

/// Allowed versions, as the minor number of TLS 1.x, both ends included.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Versions {
    pub(crate) min: u8,
    pub(crate) max: u8,
}

impl Versions {
    pub(crate) const TLS12: u8 = 2;
    pub(crate) const TLS13: u8 = 3;

    /// The number behind a name of the exporter toolkit. TLS 1.0 and 1.1 can be named, but are
    /// never spoken.
    pub(crate) fn number(name: &str) -> Option<u8> {
        match name {
            "TLS10" => Some(0),
            "TLS11" => Some(1),
            "TLS12" => Some(Self::TLS12),
            "TLS13" => Some(Self::TLS13),
            _ => None,
        }
    }

    /// Neither TLS 1.2 nor TLS 1.3 is allowed.
    pub(crate) fn is_empty(self) -> bool {
        !self.has(Self::TLS12) && !self.has(Self::TLS13)
    }

    fn has(self, version: u8) -> bool {
        (self.min..=self.max).contains(&version)
    }
}

/// The cipher suites to be used, the preferred one first, and with them the versions.
#[derive(Debug)]
pub(crate) struct Suites {
    tls13: Vec<SupportedCipherSuite>,
    tls12: Vec<SupportedCipherSuite>,
    /// Line of `cipher_suites`; 0 without it.
    pub(crate) line: u32,
}

impl Suites {
    /// Every suite of the versions.
    pub(crate) fn all(versions: Versions) -> Self {
        Self::listed(KNOWN.iter().map(|(name, _)| *name), versions)
    }

    /// The suites listed for TLS 1.2. The list says nothing about TLS 1.3, whose three suites are
    /// always used, as the exporter toolkit does it.
    pub(crate) fn listed<'a>(names: impl Iterator<Item = &'a str>, versions: Versions) -> Self {
        let known = KNOWN.iter().filter_map(|(_, suite)| *suite);
        let tls13 = known.filter(|suite| suite.tls13().is_some() && versions.has(Versions::TLS13));
        let mut tls12 = Vec::new();
        for name in names {
            let suite = KNOWN.iter().find(|(known, _)| *known == name);
            let suite = suite.and_then(|(_, suite)| *suite);
            let suite = suite.filter(|suite| suite.tls13().is_none());
            if let Some(suite) = suite.filter(|suite| !tls12.contains(suite))
                && versions.has(Versions::TLS12)
            {
                tls12.push(suite);
            }
        }
        Self {
            tls13: tls13.collect(),
            tls12,
            line: 0,
        }
    }

    /// The same, with the line of the list.
    pub(crate) fn at(self, line: u32) -> Self {
        Self { line, ..self }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tls13.is_empty() && self.tls12.is_empty()
    }

    /// TLS 1.2 is spoken without a suite that HTTP/2 requires (RFC 9113, section 9.2.2).
    pub(crate) fn lacks_http2(&self) -> bool {
        let required = [
            CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        ];
        !self.tls12.is_empty() && !self.tls12.iter().any(|s| required.contains(&s.suite()))
    }

    /// TLS 1.3 first, then in the order of the list.
    pub(super) fn in_order(&self) -> Vec<SupportedCipherSuite> {
        self.tls13.iter().chain(&self.tls12).copied().collect()
    }

    /// The versions that have a suite.
    pub(super) fn versions(&self) -> Vec<&'static SupportedProtocolVersion> {
        let tls13 = (!self.tls13.is_empty()).then_some(&version::TLS13);
        let tls12 = (!self.tls12.is_empty()).then_some(&version::TLS12);
        tls13.into_iter().chain(tls12).collect()
    }

    /// Whether a key can sign with one of the suites. The suites of TLS 1.3 leave that open.
    pub(super) fn fit(&self, key: &dyn rustls::sign::SigningKey) -> bool {
        let tls12 = |suite: &SupportedCipherSuite| match suite {
            SupportedCipherSuite::Tls12(suite) => key.choose_scheme(suite.sign).is_some(),
            SupportedCipherSuite::Tls13(_) => false,
        };
        !self.tls13.is_empty() || self.tls12.iter().any(tls12)
    }
}
