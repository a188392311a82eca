//! `tls_server_config`.

use std::net::IpAddr;
use std::path::Path;

use serde::Deserialize;

use crate::tls::{AllowedName, ClientAuth, Pem, PemSource, Suites, Tls, Versions, curves, suites};
use seedwatch_input::yaml::{At, Fault, Report, SourceFile};

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTls {
    cert: Option<At<String>>,
    key: Option<At<String>>,
    client_ca: Option<At<String>>,
    cert_file: Option<At<String>>,
    key_file: Option<At<String>>,
    client_auth_type: Option<At<String>>,
    client_ca_file: Option<At<String>>,
    client_allowed_sans: Option<At<Option<Vec<At<String>>>>>,
    min_version: Option<At<String>>,
    max_version: Option<At<String>>,
    cipher_suites: Option<Vec<At<String>>>,
    prefer_server_cipher_suites: Option<bool>,
    curve_preferences: Option<Vec<At<String>>>,
}

impl RawTls {
    /// Returns whether no key has a value.
    fn is_empty(&self) -> bool {
        let texts = [
            &self.cert,
            &self.key,
            &self.client_ca,
            &self.cert_file,
            &self.key_file,
            &self.client_auth_type,
            &self.client_ca_file,
            &self.min_version,
            &self.max_version,
        ];
        texts.into_iter().all(Option::is_none)
            && self.client_allowed_sans.is_none()
            && self.cipher_suites.is_none()
            && self.prefer_server_cipher_suites.is_none()
            && self.curve_preferences.is_none()
    }
}

/// The name of the section in the file.
pub(super) struct TlsSection<'a> {
    pub(super) source: &'a SourceFile,
    pub(super) base: &'a Path,
    pub(super) line: u32,
}

impl TlsSection<'_> {
    /// Checks the section. Returns `None` if it is empty: no TLS. Otherwise it needs a certificate
    /// and its key, so that a mistake does not lead to plain HTTP. Wrong settings are reported and
    /// left out, so that the same run can check the files.
    pub(super) fn read(&self, raw: RawTls, http2: bool, report: &mut Report) -> Option<Tls> {
        if raw.is_empty() {
            return None;
        }
        let cert = self.pem("cert", raw.cert, raw.cert_file);
        let cert = report.take(cert.and_then(|pem| self.needed("cert_file", pem)));
        let key = self.pem("key", raw.key, raw.key_file);
        let key = report.take(key.and_then(|pem| self.needed("key_file", pem)));
        let ca = self.pem("client_ca", raw.client_ca, raw.client_ca_file);
        let client_auth = ca.and_then(|ca| self.client_auth(raw.client_auth_type, ca));
        let client_auth = report.take(client_auth);
        let allowed_sans = self.sans(raw.client_allowed_sans, client_auth.as_ref(), report);
        let versions = self.versions(raw.min_version, raw.max_version, report);
        let suites = self.suites(raw.cipher_suites, versions, http2, report);
        let curves = self.curves(raw.curve_preferences, report);
        Some(Tls {
            cert: cert?,
            key: key?,
            client_auth: client_auth.unwrap_or(ClientAuth::None),
            allowed_sans,
            suites,
            curves,
            prefer_server_order: raw.prefer_server_cipher_suites.unwrap_or(true),
            http2,
        })
    }

    fn fault(&self, line: u32, key: &str, message: impl Into<String>) -> Fault {
        self.source
            .fault(line, format!("tls_server_config.{key}"), message.into())
    }

    /// Reads PEM text from the key itself, or the file name from the key with `_file`.
    fn pem(
        &self,
        key: &'static str,
        text: Option<At<String>>,
        file: Option<At<String>>,
    ) -> Result<Option<Pem>, Fault> {
        let given = |value: Option<At<String>>| value.filter(|value| !value.value.is_empty());
        let (line, source) = match (given(text), given(file)) {
            (None, None) => return Ok(None),
            (Some(text), None) => (text.line, PemSource::Text(text.value)),
            (None, Some(file)) => (file.line, PemSource::File(self.base.join(file.value))),
            (Some(text), Some(_)) => {
                let message = format!("cannot stand beside {key}_file");
                return Err(self.fault(text.line, key, message));
            }
        };
        Ok(Some(Pem { key, line, source }))
    }

    fn needed(&self, key: &str, pem: Option<Pem>) -> Result<Pem, Fault> {
        pem.ok_or_else(|| self.fault(self.line, key, "is missing"))
    }

    fn client_auth(&self, kind: Option<At<String>>, ca: Option<Pem>) -> Result<ClientAuth, Fault> {
        let (line, kind) = kind.map_or((self.line, String::new()), |kind| (kind.line, kind.value));
        match (kind.as_str(), ca) {
            ("" | "NoClientCert", Some(ca)) => {
                let key = ca.name();
                Err(self.fault(ca.line, &key, "is of no use without a client_auth_type"))
            }
            ("" | "NoClientCert", None) => Ok(ClientAuth::None),
            ("RequestClientCert", ca) => Ok(ClientAuth::Unverified {
                required: false,
                ca,
            }),
            // The second name is the toolkit's old name.
            ("RequireAnyClientCert" | "RequireClientCert", ca) => {
                Ok(ClientAuth::Unverified { required: true, ca })
            }
            ("VerifyClientCertIfGiven", ca) => Ok(ClientAuth::Verified {
                required: false,
                ca,
            }),
            ("RequireAndVerifyClientCert", Some(ca)) => Ok(ClientAuth::Verified {
                required: true,
                ca: Some(ca),
            }),
            ("RequireAndVerifyClientCert", None) => {
                let message = "is missing: without it no client could connect";
                Err(self.fault(line, "client_ca_file", message))
            }
            _ => {
                let message = "must be NoClientCert, RequestClientCert, RequireAnyClientCert, \
                               VerifyClientCertIfGiven or RequireAndVerifyClientCert";
                Err(self.fault(line, "client_auth_type", message))
            }
        }
    }

    fn sans(
        &self,
        list: Option<At<Option<Vec<At<String>>>>>,
        client_auth: Option<&ClientAuth>,
        report: &mut Report,
    ) -> Option<Vec<AllowedName>> {
        let key = "client_allowed_sans";
        let At { line, value: list } = list?;
        let list = list?;
        if list.is_empty() {
            let message = "lists no name: no client with a certificate could connect";
            report.fault(self.fault(line, key, message));
        }
        if matches!(client_auth, Some(ClientAuth::None)) {
            report.fault(self.fault(line, key, "is of no use without a client_auth_type"));
        }
        let mut san = |entry: At<String>| match entry.value.parse::<IpAddr>() {
            Ok(address) => AllowedName::Address(address.to_canonical()),
            Err(_) => {
                if entry.value.is_empty() {
                    report.fault(self.fault(entry.line, key, "an entry is empty"));
                }
                AllowedName::Text(entry.value)
            }
        };
        Some(list.into_iter().map(&mut san).collect())
    }

    fn versions(
        &self,
        min: Option<At<String>>,
        max: Option<At<String>>,
        report: &mut Report,
    ) -> Versions {
        let max_line = max.as_ref().map_or(self.line, |max| max.line);
        let min = report.take(self.version("min_version", min, Versions::TLS12));
        let max = report.take(self.version("max_version", max, Versions::TLS13));
        let all = Versions {
            min: Versions::TLS12,
            max: Versions::TLS13,
        };
        let (Some(min), Some(max)) = (min, max) else {
            return all;
        };
        let versions = Versions { min, max };
        if versions.is_empty() {
            let message = "leaves neither TLS 1.2 nor TLS 1.3";
            report.fault(self.fault(max_line, "max_version", message));
            return all;
        }
        versions
    }

    fn version(&self, key: &str, value: Option<At<String>>, default: u8) -> Result<u8, Fault> {
        let Some(At { line, value }) = value else {
            return Ok(default);
        };
        let message = "must be TLS10, TLS11, TLS12 or TLS13";
        Versions::number(&value).ok_or_else(|| self.fault(line, key, message))
    }

    fn suites(
        &self,
        list: Option<Vec<At<String>>>,
        versions: Versions,
        http2: bool,
        report: &mut Report,
    ) -> Suites {
        let key = "cipher_suites";
        let list = list.unwrap_or_default();
        let Some(line) = list.first().map(|first| first.line) else {
            return Suites::all(versions);
        };
        let unknown = list.iter().filter(|entry| !suites::is_known(&entry.value));
        let unknown: Vec<u32> = unknown.map(|entry| entry.line).collect();
        for line in &unknown {
            let message = format!("unknown cipher suite; known here: {}", suites::names());
            report.fault(self.fault(*line, key, message));
        }
        let names = list.iter().map(|name| name.value.as_str());
        let suites = Suites::listed(names, versions);
        if !unknown.is_empty() {
            return Suites::all(versions);
        }
        if suites.is_empty() {
            let message = "leaves no cipher suite that TLS 1.2 or later and this program can use";
            report.fault(self.fault(line, key, message));
            return Suites::all(versions);
        }
        // RFC 9113, section 9.2.2.
        if http2 && suites.lacks_http2() {
            let message = "HTTP/2 over TLS 1.2 needs TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 or \
                           TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: add it, or set http2: false";
            report.fault(self.fault(line, key, message));
        }
        suites.at(line)
    }

    fn curves(&self, list: Option<Vec<At<String>>>, report: &mut Report) -> Vec<curves::Curve> {
        let key = "curve_preferences";
        let list = list.unwrap_or_default();
        let mut chosen = Vec::new();
        let mut are_known = true;
        for At { line, value } in &list {
            match curves::find(value) {
                Some(curve) => chosen.extend(curve),
                None => {
                    let message = format!("unknown curve; known here: {}", curves::names());
                    report.fault(self.fault(*line, key, message));
                    are_known = false;
                }
            }
        }
        if let Some(first) = list.first().filter(|_| are_known && chosen.is_empty()) {
            let message =
                "leaves no curve that this program can use: X25519, CurveP256 or CurveP384";
            report.fault(self.fault(first.line, key, message));
        }
        chosen
    }
}
