//! `--web.config.file`: the format of the Prometheus exporter toolkit, so that one file serves
//! every exporter of a machine and `promtool check web-config` can check it.
//!
//! ```yaml
//! tls_server_config:
//!   cert_file: web.crt            # relative to this file
//!   key_file: web.key
//!   client_auth_type: RequireAndVerifyClientCert
//!   client_ca_file: ca.crt
//!   min_version: TLS12            # or TLS13; max_version too
//!   prefer_server_cipher_suites: true
//! http_server_config:
//!   http2: true
//!   headers: {X-Frame-Options: deny}
//! basic_auth_users:
//!   alice: $2y$10$…               # bcrypt
//! ```
//!
//! A key that is not known here is an error: a setting that protects must not be overlooked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

use super::auth::{Hash, Users};
use super::tls::{ClientAuth, Tls, Versions};
use crate::config::{At, Fault, Source, parse_yaml, read_yaml};

/// The headers that may be added, and the values they may have (none = any).
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
    tls_server_config: Option<At<RawTls>>,
    http_server_config: Option<RawHttp>,
    basic_auth_users: Option<BTreeMap<String, At<String>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTls {
    cert_file: Option<At<String>>,
    key_file: Option<At<String>>,
    client_auth_type: Option<At<String>>,
    client_ca_file: Option<At<String>>,
    min_version: Option<At<String>>,
    max_version: Option<At<String>>,
    prefer_server_cipher_suites: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RawHttp {
    http2: Option<bool>,
    headers: Option<BTreeMap<String, At<String>>>,
}

/// What the file asks for, checked as far as it goes without opening other files.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) tls: Option<Tls>,
    pub(super) users: Option<Users>,
    pub(super) headers: HeaderMap,
    pub(super) http2: bool,
}

/// Reads and checks the file.
pub(super) fn read(path: &Path) -> Result<Settings, Fault> {
    let source = Source::new(path);
    let text = read_yaml(&source, path)?;
    // A file of comments only is a file that asks for nothing.
    let raw = parse_yaml::<Option<Raw>>(&source, &text)?.unwrap_or_default();
    let http = raw.http_server_config.unwrap_or_default();
    let http2 = http.http2.unwrap_or(true);
    let tls = raw.tls_server_config.map(|raw| {
        let section = TlsSection {
            source: &source,
            base: path.parent().unwrap_or(Path::new("")),
            line: raw.line,
        };
        section.read(raw.value, http2)
    });
    Ok(Settings {
        tls: tls.transpose()?,
        users: read_users(&source, raw.basic_auth_users.unwrap_or_default())?,
        headers: read_headers(&source, http.headers.unwrap_or_default())?,
        http2,
    })
}

/// `tls_server_config`, and where it stands.
struct TlsSection<'a> {
    source: &'a Source,
    base: &'a Path,
    line: u32,
}

impl TlsSection<'_> {
    fn read(&self, raw: RawTls, http2: bool) -> Result<Tls, Fault> {
        let max_line = raw.max_version.as_ref().map_or(self.line, |max| max.line);
        let versions = Versions {
            min: self.version("min_version", raw.min_version, Versions::TLS12)?,
            max: self.version("max_version", raw.max_version, Versions::TLS13)?,
        };
        if versions.is_empty() {
            let message = "leaves neither TLS 1.2 nor TLS 1.3";
            return Err(self.fault(max_line, "max_version", message));
        }
        let ca_file = self.file(raw.client_ca_file);
        Ok(Tls {
            cert_file: self.needed("cert_file", raw.cert_file)?,
            key_file: self.needed("key_file", raw.key_file)?,
            client_auth: self.client_auth(raw.client_auth_type, ca_file)?,
            versions,
            prefer_server_order: raw.prefer_server_cipher_suites.unwrap_or(true),
            http2,
        })
    }

    fn fault(&self, line: u32, key: &str, message: &str) -> Fault {
        self.source
            .fault(line, format!("tls_server_config.{key}"), message)
    }

    fn file(&self, value: Option<At<String>>) -> Option<At<PathBuf>> {
        let At { line, value } = value.filter(|value| !value.value.is_empty())?;
        let value = self.base.join(value);
        Some(At { line, value })
    }

    fn needed(&self, key: &str, value: Option<At<String>>) -> Result<At<PathBuf>, Fault> {
        self.file(value)
            .ok_or_else(|| self.fault(self.line, key, "is missing"))
    }

    fn version(&self, key: &str, value: Option<At<String>>, default: u8) -> Result<u8, Fault> {
        let Some(At { line, value }) = value else {
            return Ok(default);
        };
        let message = "must be TLS10, TLS11, TLS12 or TLS13";
        Versions::number(&value).ok_or_else(|| self.fault(line, key, message))
    }

    fn client_auth(
        &self,
        kind: Option<At<String>>,
        ca_file: Option<At<PathBuf>>,
    ) -> Result<ClientAuth, Fault> {
        let (line, kind) = kind.map_or((self.line, String::new()), |kind| (kind.line, kind.value));
        let verified = |required| match ca_file.clone() {
            Some(ca_file) => Ok(ClientAuth::Verified { required, ca_file }),
            None => Err(self.fault(line, "client_ca_file", "is missing")),
        };
        match (kind.as_str(), &ca_file) {
            ("" | "NoClientCert", Some(file)) => {
                let message = "is of no use without a client_auth_type";
                Err(self.fault(file.line, "client_ca_file", message))
            }
            ("" | "NoClientCert", None) => Ok(ClientAuth::None),
            ("RequestClientCert", _) => Ok(ClientAuth::Unverified { required: false }),
            ("RequireAnyClientCert", _) => Ok(ClientAuth::Unverified { required: true }),
            ("VerifyClientCertIfGiven", _) => verified(false),
            ("RequireAndVerifyClientCert", _) => verified(true),
            _ => {
                let message = "must be NoClientCert, RequestClientCert, RequireAnyClientCert, \
                               VerifyClientCertIfGiven or RequireAndVerifyClientCert";
                Err(self.fault(line, "client_auth_type", message))
            }
        }
    }
}

/// The message never repeats a name or a hash: what is in the wrong place may be a password.
fn read_users(source: &Source, raw: BTreeMap<String, At<String>>) -> Result<Option<Users>, Fault> {
    let mut users = BTreeMap::new();
    for (name, At { line, value }) in raw {
        let fault = |message: String| source.fault(line, "basic_auth_users", message);
        if name.is_empty() || name.contains(':') {
            let message = "a name must not be empty or contain a colon";
            return Err(fault(message.to_owned()));
        }
        let hash = Hash::parse(&value).map_err(|error| fault(error.to_string()))?;
        users.insert(name, hash);
    }
    Ok(Users::new(users))
}

fn read_headers(source: &Source, raw: BTreeMap<String, At<String>>) -> Result<HeaderMap, Fault> {
    let mut headers = HeaderMap::new();
    for (name, At { line, value }) in raw {
        let fault = |message: String| source.fault(line, "http_server_config.headers", message);
        let Some((name, allowed)) = HEADERS.into_iter().find(|(known, _)| *known == name) else {
            let known = HEADERS.map(|(name, _)| name).join(", ");
            return Err(fault(format!("only these can be set: {known}")));
        };
        if !allowed.is_empty() && !allowed.contains(&value.as_str()) {
            return Err(fault(format!("{name} must be {}", allowed.join(" or "))));
        }
        let header = HeaderName::from_bytes(name.as_bytes()).ok();
        let pair = header.zip(HeaderValue::from_str(&value).ok());
        let (header, value) =
            pair.ok_or_else(|| fault(format!("{name} must be one line of printable text")))?;
        headers.insert(header, value);
    }
    Ok(headers)
}
