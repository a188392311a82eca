//! Which requests a web page of another site may have made a browser send.
//!
//! Endpoints that change something or show the configuration refuse two kinds of request:
//!
//! - Requests from pages of other sites, which browsers mark with `Sec-Fetch-Site` or `Origin`.
//! - Requests from pages whose host name was made to resolve to this machine (DNS rebinding). For
//!   the browser they stay on one site, and only the host name gives them away.
//!
//! Programs other than browsers send none of the marks and are not concerned. A reverse proxy may
//! pass on any host name: a browser that reaches it over HTTPS says so with `Sec-Fetch-Site`, or by
//! the scheme of `Origin`, and no certificate exists for a name that is only made to resolve here.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::LazyLock;

use hyper::header::{ACCEPT_LANGUAGE, HOST, HeaderMap, HeaderName, ORIGIN, USER_AGENT};
use hyper::http::uri::Authority;
use hyper::{Request, Uri};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The name of this machine, in lower case.
static MACHINE: LazyLock<Option<String>> = LazyLock::new(|| {
    let name = seedwatch_input::file::read_to_string("/proc/sys/kernel/hostname".as_ref(), 256);
    Some(name.ok()?.trim().to_ascii_lowercase())
});

/// Last labels of names that public name servers do not answer for.
const PRIVATE: [&str; 12] = [
    "localhost",
    "local",
    "localdomain",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "home.arpa",
    "lan",
    "svc",
    "test",
];

/// Why a request is refused, as a sentence.
type Refusal = &'static str;

/// Whether the request comes from a program, or from a page of this server. `guarded` says that a
/// page with a made-up host name cannot have sent it: the connection is encrypted, or a password
/// was given.
pub(super) fn check<B>(request: &Request<B>, guarded: bool) -> Result<(), Refusal> {
    let headers = request.headers();
    let fetch_site = single(headers, &SEC_FETCH_SITE)?;
    if fetch_site.is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return Err("Requests from pages of other sites are not answered\n");
    }
    let host = host(request)?;
    let origin = single(headers, &ORIGIN)?;
    let origin = origin.map(|origin| origin.parse::<Uri>().ok());
    let over_https = match &origin {
        None => fetch_site.is_some(),
        // The browser compared both itself. A reverse proxy may have put another Host here.
        Some(_) if fetch_site == Some("same-origin") => true,
        Some(origin) => {
            let origin = origin.as_ref().filter(|o| matches_host(o, host.as_ref()));
            let origin = origin.ok_or("The Origin of the request is not this server\n")?;
            fetch_site.is_some() || origin.scheme_str() == Some("https")
        }
    };
    let Some(host) = host else {
        return Ok(());
    };
    if guarded || over_https || !is_browser(headers) || is_local(host.host()) {
        return Ok(());
    }
    Err("A browser has to use an address, localhost, a local name or HTTPS to reach this page\n")
}

/// The host that the client believes to speak to, from the request line or the header.
fn host<B>(request: &Request<B>) -> Result<Option<Authority>, Refusal> {
    let header = single(request.headers(), &HOST)?;
    if let Some(authority) = request.uri().authority() {
        return Ok(Some(authority.clone()));
    }
    let Some(header) = header.filter(|host| !host.is_empty()) else {
        return Ok(None);
    };
    let host = header.parse::<Authority>().ok();
    let host = host.filter(|host| !host.host().is_empty() && !host.as_str().contains('@'));
    host.map(Some)
        .ok_or("The Host of the request is malformed\n")
}

/// The value of a header that may come once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    match (first.map(|value| value.to_str()), values.next()) {
        (None, _) => Ok(None),
        (Some(Ok(value)), None) => Ok(Some(value.trim())),
        _ => Err("A header of the request is malformed or comes twice\n"),
    }
}

/// Whether both name the same host and port. Where the origin names no port, that of its scheme is
/// meant, and so it is with the host.
fn matches_host(origin: &Uri, host: Option<&Authority>) -> bool {
    let (Some(scheme), Some(authority), Some(host)) =
        (origin.scheme_str(), origin.authority(), host)
    else {
        return false;
    };
    let default = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return false,
    };
    let port = |of: &Authority| of.port_u16().unwrap_or(default);
    authority.host().eq_ignore_ascii_case(host.host()) && port(authority) == port(host)
}

/// Whether a browser sent this. All browsers send both fields, and a script can change the values
/// at most.
fn is_browser(headers: &HeaderMap) -> bool {
    let agent = headers.get(USER_AGENT).map(|agent| agent.as_bytes());
    headers.contains_key(ORIGIN)
        || headers.contains_key(ACCEPT_LANGUAGE)
        || agent.is_some_and(|agent| agent.starts_with(b"Mozilla/"))
}

/// Whether a host name cannot come from a name server of another site: an address, or a name that
/// only the own network knows.
fn is_local(host: &str) -> bool {
    let bracketed = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    if bracketed.is_some_and(|host| host.parse::<Ipv6Addr>().is_ok()) {
        return true;
    }
    if host.parse::<IpAddr>().is_ok() {
        return true;
    }
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let is_private = PRIVATE.iter().any(|last| {
        name.strip_suffix(last)
            .is_some_and(|rest| rest.ends_with('.'))
    });
    !name.contains('.') || is_private || Some(&name) == MACHINE.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdict on a request with these headers.
    fn allowed(headers: &[(&str, &str)], guarded: bool) -> bool {
        let mut request = Request::post("/-/reload");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        check(&request.body(()).unwrap(), guarded).is_ok()
    }

    const BROWSER: (&str, &str) = ("User-Agent", "Mozilla/5.0 (X11)");
    const LANGUAGE: (&str, &str) = ("Accept-Language", "en");

    #[test]
    fn programs_are_answered_under_any_name() {
        for headers in [
            &[][..],
            &[("Host", "")],
            &[("Host", "127.0.0.1:16881")],
            &[("Host", "monitor.example.org")],
            &[
                ("Host", "monitor.example.org:16881"),
                ("User-Agent", "curl/8"),
            ],
        ] {
            assert!(allowed(headers, false), "{headers:?}");
        }
    }

    #[test]
    fn pages_of_other_sites_are_refused() {
        let host = ("Host", "127.0.0.1:16881");
        for headers in [
            &[host, ("Sec-Fetch-Site", "cross-site")][..],
            &[host, ("Sec-Fetch-Site", "same-site")],
            &[host, ("Sec-Fetch-Site", "of another kind")],
            &[host, ("Sec-Fetch-Site", "none"), ("Sec-Fetch-Site", "none")],
            &[host, ("Origin", "null")],
            &[host, ("Origin", "")],
            &[host, ("Origin", "http://evil.example")],
            &[host, ("Origin", "http://127.0.0.1")],
            &[host, ("Origin", "http://127.0.0.1:16882")],
            &[host, ("Origin", "file://127.0.0.1:16881")],
            &[
                host,
                ("Origin", "http://127.0.0.1:16881"),
                ("Origin", "null"),
            ],
            &[host, host, BROWSER],
            &[("Host", "127.0.0.1@evil.example"), BROWSER],
            &[("Origin", "http://127.0.0.1:16881")],
        ] {
            assert!(!allowed(headers, false), "{headers:?}");
            assert!(!allowed(headers, true), "{headers:?}");
        }
    }

    #[test]
    fn own_pages_are_answered() {
        let site = ("Sec-Fetch-Site", "same-origin");
        for headers in [
            &[
                ("Host", "127.0.0.1:16881"),
                ("Origin", "http://127.0.0.1:16881"),
            ][..],
            &[
                ("Host", "[::1]:16881"),
                ("Origin", "http://[::1]:16881"),
                LANGUAGE,
            ],
            &[
                ("Host", "LOCALHOST:80"),
                ("Origin", "http://localhost"),
                site,
            ],
            &[
                ("Host", "seedwatch"),
                ("Origin", "http://seedwatch"),
                BROWSER,
            ],
            &[("Host", "box.lan:16881"), BROWSER, LANGUAGE],
            &[("Host", "seedwatch.monitoring.svc.cluster.local"), BROWSER],
            // Behind a reverse proxy that speaks HTTPS.
            &[
                ("Host", "m.example.org"),
                ("Origin", "https://m.example.org"),
                BROWSER,
            ],
            &[("Host", "m.example.org"), BROWSER, LANGUAGE, site],
            &[
                ("Host", "127.0.0.1:16881"),
                ("Origin", "https://m.example.org"),
                site,
                BROWSER,
            ],
            &[
                ("Host", "m.example.org"),
                BROWSER,
                ("Sec-Fetch-Site", "none"),
            ],
        ] {
            assert!(allowed(headers, false), "{headers:?}");
        }
    }

    #[test]
    fn names_made_to_resolve_here_are_refused_unless_guarded() {
        let host = ("Host", "rebind.example:16881");
        for headers in [
            &[host, BROWSER][..],
            &[host, LANGUAGE],
            &[host, ("Accept-Language", ""), ("User-Agent", "curl/8")],
            &[host, ("Origin", "http://rebind.example:16881")],
            &[("Host", "127.0.0.1.rebind.example"), BROWSER],
            &[("Host", "local.rebind.example"), BROWSER],
            &[("Host", "notlocal.examplelocal.example"), BROWSER],
        ] {
            assert!(!allowed(headers, false), "{headers:?}");
            assert!(allowed(headers, true), "{headers:?}");
        }
    }

    #[test]
    fn the_host_of_http2_counts() {
        let request = |site| {
            let request = Request::get(site).header("user-agent", "Mozilla/5.0");
            check(&request.body(()).unwrap(), false).is_ok()
        };
        assert!(request("http://127.0.0.1:16881/config"));
        assert!(!request("http://rebind.example:16881/config"));
    }
}
