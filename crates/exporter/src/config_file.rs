//! `--web.config.file`: the format of the Prometheus exporter toolkit, so that one file serves
//! every exporter of a machine and `promtool check web-config` can check it.
//!
//! ```yaml
//! tls_server_config:
//!   cert_file: web.crt            # relative to this file; or the text itself in cert
//!   key_file: web.key             # or key
//!   client_auth_type: RequireAndVerifyClientCert
//!   client_ca_file: ca.crt        # or client_ca
//!   client_allowed_sans: [prometheus.example]
//!   min_version: TLS12            # or TLS13; max_version too
//!   cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]
//!   prefer_server_cipher_suites: true
//!   curve_preferences: [X25519]
//! http_server_config:
//!   http2: true
//!   headers: {X-Frame-Options: deny}
//! basic_auth_users:
//!   alice: $2y$10$…               # bcrypt
//! rate_limit: {interval: 1s, burst: 20}
//! ```
//!
//! An unknown key is an error: a setting that protects must not be ignored. For the same reason, a
//! setting without effect is an error.

mod rate;
mod tls;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use self::rate::RawRate;
use self::tls::{RawTls, TlsSection};
use super::auth::{Hash, Users};
use super::rate_limit::RateLimit;
use super::tls::Tls;
use seedwatch_input::yaml::{At, Report, SourceFile, read_all};

/// Largest web configuration file read, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// The headers that may be added, and the values that they may have (an empty list allows any).
const HEADERS: [(&str, &[&str]); 5] = [
    ("Content-Security-Policy", &[]),
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
];

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Raw {
    tls_server_config: Option<At<Option<RawTls>>>,
    http_server_config: Option<RawHttp>,
    basic_auth_users: Option<RawUsers>,
    rate_limit: Option<At<Option<RawRate>>>,
}

/// Names and hashes, in the order of the file.
#[derive(Default)]
struct RawUsers(Vec<(String, At<String>)>);

impl<'de> Deserialize<'de> for RawUsers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct UsersVisitor;

        impl<'de> Visitor<'de> for UsersVisitor {
            type Value = RawUsers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping of names to hashes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawUsers, A::Error> {
                let mut users = Vec::new();
                while let Some(user) = map.next_entry()? {
                    users.push(user);
                }
                Ok(RawUsers(users))
            }
        }

        deserializer.deserialize_map(UsersVisitor)
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RawHttp {
    http2: Option<bool>,
    headers: Option<BTreeMap<String, At<Option<String>>>>,
}

/// The settings of the file, checked as far as that is possible without other files.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) tls: Option<Tls>,
    pub(super) users: Option<Users>,
    pub(super) rate_limit: Option<RateLimit>,
    pub(super) headers: HeaderMap,
    pub(super) http2: bool,
}

/// Reads the file and reports every error in it. All sections are checked, even if one has errors.
/// Returns what can be used, or `None` if the file cannot be read.
pub(super) fn read(path: &Path, report: &mut Report) -> Option<Settings> {
    let source = SourceFile::new(path);
    let text = seedwatch_input::file::read_to_string(path, MAX_FILE)
        .map_err(|error| source.fault(0, "", format!("cannot be read: {error}")));
    let text = report.take(text)?;
    // A file of comments only has no settings.
    let raw = read_all::<Option<Raw>>(&source, &text, report)?.unwrap_or_default();
    let http = raw.http_server_config.unwrap_or_default();
    let http2 = http.http2.unwrap_or(true);
    let tls = raw.tls_server_config.and_then(|raw| {
        let section = TlsSection {
            source: &source,
            base: path.parent().unwrap_or(Path::new("")),
            line: raw.line,
        };
        section.read(raw.value.unwrap_or_default(), http2, report)
    });
    Some(Settings {
        tls,
        http2,
        headers: read_headers(&source, http.headers.unwrap_or_default(), report),
        users: read_users(&source, raw.basic_auth_users.unwrap_or_default(), report),
        rate_limit: raw.rate_limit.and_then(|raw| {
            let section = raw.value.unwrap_or_default();
            section.read(&source, raw.line, report)
        }),
    })
}

/// Reads `basic_auth_users`. No message repeats a name or a hash, because a misplaced value may be
/// a password: users are numbered instead.
fn read_users(source: &SourceFile, raw: RawUsers, report: &mut Report) -> Option<Users> {
    let mut users = BTreeMap::new();
    for (number, (name, At { line, value })) in (1..).zip(raw.0) {
        let mut fault =
            |message: String| report.fault(source.fault(line, "basic_auth_users", message));
        if name.is_empty() || name.contains(':') {
            fault(format!(
                "the name of entry {number} must not be empty or contain a colon"
            ));
        }
        match Hash::parse(&value) {
            Ok(hash) => drop(users.insert(name, hash)),
            Err(error) => fault(format!("the password of entry {number} {error}")),
        }
    }
    Users::new(users)
}

/// Reads `headers`. A header without a value is not set.
fn read_headers(
    source: &SourceFile,
    raw: BTreeMap<String, At<Option<String>>>,
    report: &mut Report,
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, At { line, value }) in raw {
        match read_header(&name, value.filter(|value| !value.is_empty())) {
            Ok(Some((name, value))) => drop(headers.insert(name, value)),
            Ok(None) => {}
            Err(message) => {
                report.fault(source.fault(line, "http_server_config.headers", message));
            }
        }
    }
    headers
}

fn read_header(
    name: &str,
    value: Option<String>,
) -> Result<Option<(HeaderName, HeaderValue)>, String> {
    let Some((name, allowed)) = HEADERS.into_iter().find(|(known, _)| *known == name) else {
        let known = HEADERS.map(|(name, _)| name).join(", ");
        return Err(format!("only these can be set: {known}"));
    };
    let Some(value) = value else {
        return Ok(None);
    };
    if !allowed.is_empty() && !allowed.contains(&value.as_str()) {
        return Err(format!("{name} must be {}", allowed.join(" or ")));
    }
    let header = HeaderName::from_bytes(name.as_bytes()).ok();
    let pair = header.zip(HeaderValue::from_str(&value).ok());
    pair.map(Some)
        .ok_or_else(|| format!("{name} must be one line of printable text"))
}
