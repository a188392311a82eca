//! The command line: flags with dotted names, as Prometheus and its exporters have them.

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::log::{LogFormat, LogLevel};
use seedwatch_exporter::{ExternalUrl, ListenAddress};

/// Swarm-health exporter for Prometheus: watches torrents without downloading them.
#[derive(Debug, Clone, PartialEq, Eq, Parser)]
#[command(name = "seedwatch", version = version(), disable_help_subcommand = true)]
pub struct Cli {
    /// Configuration file.
    #[arg(
        long = "config.file",
        value_name = "FILE",
        default_value = Cli::CONFIG_FILE,
        global = true
    )]
    pub config_file: PathBuf,

    /// Check the configuration without the network, and exit: 0 if it is valid, 1 if not.
    #[arg(long = "config.check")]
    pub config_check: bool,

    /// The `--web.*` flags.
    #[command(flatten)]
    pub web: WebFlags,

    /// Lowest severity of the log lines to write.
    #[arg(
        long = "log.level",
        value_name = "LEVEL",
        value_enum,
        default_value = "info",
        global = true
    )]
    pub log_level: LogLevel,

    /// Format of the log lines.
    #[arg(
        long = "log.format",
        value_name = "FORMAT",
        value_enum,
        default_value = "logfmt",
        global = true
    )]
    pub log_format: LogFormat,

    /// The command to run instead of the daemon.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// `--web.*`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct WebFlags {
    /// Address to listen on; may be repeated. Without a host: all addresses, IPv4 and IPv6.
    #[arg(
        long = "web.listen-address",
        value_name = "ADDRESS",
        default_value = ":16881"
    )]
    pub listen_addresses: Vec<ListenAddress>,

    /// File with TLS, passwords and headers, in the format of the Prometheus exporter toolkit.
    #[arg(id = "web.config.file", long, value_name = "FILE")]
    pub config_file: Option<PathBuf>,

    /// Path of the metrics.
    #[arg(
        long = "web.telemetry-path",
        value_name = "PATH",
        default_value = "/metrics",
        value_parser = telemetry_path
    )]
    pub telemetry_path: String,

    /// URL under which a browser reaches the daemon, for example through a reverse proxy. Its path
    /// may stand before the path of every request.
    #[arg(long = "web.external-url", value_name = "URL", value_parser = external_url)]
    pub external_url: Option<ExternalUrl>,

    /// Let strangers read: there are no metrics, no configuration and no reload then.
    #[arg(id = "web.public", long)]
    pub public: bool,

    /// Largest number of scrapes, pages and API lists answered at a time; 0 = 256.
    #[arg(
        long = "web.max-requests",
        value_name = "COUNT",
        default_value_t = WebFlags::MAX_REQUESTS,
        value_parser = max_requests
    )]
    pub max_requests: usize,
}

impl Cli {
    /// Default of `--config.file`.
    pub const CONFIG_FILE: &str = "config.yaml";

    /// Parses the arguments of this process. Prints usage errors and ends the process.
    pub fn of_process() -> Self {
        Self::parse().checked().unwrap_or_else(|error| error.exit())
    }

    /// Checks the flags against each other.
    fn checked(self) -> Result<Self, clap::Error> {
        let path = &self.web.telemetry_path;
        let prefix = self.web.external_url.as_ref().map(ExternalUrl::prefix);
        match prefix.filter(|prefix| !prefix.is_empty() && is_at_or_below(path, prefix)) {
            Some(prefix) => Err(Self::command().error(
                ErrorKind::ArgumentConflict,
                format!(
                    "the path {prefix} of --web.external-url hides --web.telemetry-path {path}"
                ),
            )),
            None => Ok(self),
        }
    }
}

impl WebFlags {
    /// Default of `--web.max-requests`, as in node_exporter.
    pub const MAX_REQUESTS: usize = 40;
}

fn max_requests(text: &str) -> Result<usize, String> {
    let count = text.parse();
    count.map_err(|_| "must be a whole number; 0 = 256".to_owned())
}

/// Subcommands.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Probe one torrent now, print its state and what each tracker and the DHT answer, and exit.
    ///
    /// Exit codes: 0 = alive, 3 = dead, 4 = unknown, 1 = failed at start, 2 = wrong usage.
    Probe(ProbeFlags),
}

/// `seedwatch probe`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct ProbeFlags {
    /// The name of a configured torrent, an info-hash, a magnet link, or a .torrent file.
    pub target: String,

    /// Format of the result.
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub output: Output,
}

/// Format of the result of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Returns the version of the package, with the revision of the source where it is known.
fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let version = env!("CARGO_PKG_VERSION");
        option_env!("SEEDWATCH_REVISION").map_or_else(
            || version.to_owned(),
            |revision| format!("{version} ({revision})"),
        )
    });
    &VERSION
}

/// Paths of other endpoints.
const RESERVED: [&str; 18] = [
    "/-",
    "/about",
    "/api",
    "/badge",
    "/collections",
    "/config",
    "/countries",
    "/dyn",
    "/events",
    "/events.atom",
    "/runbook",
    "/torrents",
    "/torrents.atom",
    "/torrents.csv",
    "/torrents.json",
    "/torrents.magnets.txt",
    "/trackers",
    "/trackers.txt",
];

fn telemetry_path(path: &str) -> Result<String, String> {
    let visible = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'%');
    if !path.starts_with('/') || !path.bytes().all(visible) {
        return Err("must be a path such as /metrics".to_owned());
    }
    match path == "/" || is_reserved(path) {
        true => Err("this path is taken by another endpoint".to_owned()),
        false => Ok(path.to_owned()),
    }
}

fn external_url(text: &str) -> Result<ExternalUrl, String> {
    let url: ExternalUrl = text.parse()?;
    match is_reserved(url.prefix()) {
        true => Err("its path is taken by an endpoint".to_owned()),
        false => Ok(url),
    }
}

fn is_reserved(path: &str) -> bool {
    let mut reserved = RESERVED.into_iter();
    reserved.any(|parent| is_at_or_below(path, parent))
}

fn is_at_or_below(path: &str, parent: &str) -> bool {
    let rest = path.strip_prefix(parent);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("seedwatch").chain(line.split_ascii_whitespace()))
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn defaults_are_those_of_an_exporter() {
        let cli = parse("").unwrap();
        assert_eq!(cli.config_file, PathBuf::from("config.yaml"));
        assert_eq!(cli.web.listen_addresses, [":16881".parse().unwrap()]);
        assert_eq!(cli.web.telemetry_path, "/metrics");
        assert_eq!(cli.web.max_requests, 40);
        assert_eq!(cli.web.config_file, None);
        assert_eq!(cli.web.external_url, None);
        assert!(!cli.web.public);
        assert_eq!(cli.log_level, LogLevel::Info);
        assert_eq!(cli.log_format, LogFormat::Logfmt);
        assert_eq!(cli.command, None);
        assert!(!cli.config_check);
    }

    #[test]
    fn every_flag_is_parsed() {
        let cli = parse(
            "--config.file a.yaml --config.check --web.listen-address=127.0.0.1:0 \
             --web.listen-address [::1]:9100 --web.config.file web.yaml \
             --web.telemetry-path /m --web.max-requests 0 --log.level debug --log.format json \
             --web.external-url https://m.example/seedwatch/ --web.public",
        )
        .unwrap();
        assert_eq!(cli.config_file, PathBuf::from("a.yaml"));
        assert!(cli.config_check);
        let addresses: Vec<String> = cli
            .web
            .listen_addresses
            .iter()
            .map(|a| a.to_string())
            .collect();
        assert_eq!(addresses, ["127.0.0.1:0", "[::1]:9100"]);
        assert_eq!(cli.web.config_file, Some(PathBuf::from("web.yaml")));
        assert_eq!(cli.web.telemetry_path, "/m");
        assert_eq!(cli.web.max_requests, 0);
        let url = cli.web.external_url.unwrap();
        assert_eq!(url.to_string(), "https://m.example/seedwatch");
        assert!(cli.web.public);
        assert_eq!(cli.log_level, LogLevel::Debug);
        assert_eq!(cli.log_format, LogFormat::Json);
    }

    #[test]
    fn the_path_of_the_external_url_hides_no_endpoint() {
        for url in [
            "http://m.example/api",
            "http://m.example/api/v1/",
            "http://m.example/config",
            "http://m.example/runbook",
            "http://m.example/-/ready",
            "http://m.example:99999/",
            "http://m.example/metrics",
        ] {
            let cli = parse(&format!("--web.external-url {url}"));
            assert!(cli.and_then(Cli::checked).is_err(), "{url}");
        }
        for (url, telemetry, is_accepted) in [
            ("http://m.example/metrics", "/m", true),
            ("http://m.example/apis", "/metrics", true),
            ("http://m.example/sw", "/sw/metrics", false),
            ("http://m.example/sw", "/runbook", false),
            ("http://m.example", "/metrics", true),
        ] {
            let line = format!("--web.external-url {url} --web.telemetry-path {telemetry}");
            let cli = parse(&line).and_then(Cli::checked);
            assert_eq!(cli.is_ok(), is_accepted, "{line}");
        }
    }

    #[test]
    fn flags_may_stand_before_and_after_probe() {
        for line in [
            "--config.file c.yaml --log.level warn probe census-1921 --output json",
            "probe --output json census-1921 --config.file c.yaml --log.level warn",
            "probe census-1921 --config.file=c.yaml --output=json --log.level=warn",
        ] {
            let cli = parse(line).unwrap();
            assert_eq!(cli.config_file, PathBuf::from("c.yaml"), "{line}");
            assert_eq!(cli.log_level, LogLevel::Warn, "{line}");
            let probe = ProbeFlags {
                target: "census-1921".to_owned(),
                output: Output::Json,
            };
            assert_eq!(cli.command, Some(Command::Probe(probe)), "{line}");
        }
        let cli = parse("probe magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567&tr=x");
        assert!(
            matches!(cli.unwrap().command, Some(Command::Probe(p)) if p.output == Output::Text)
        );
    }

    #[test]
    fn a_usage_error_exits_with_2() {
        for line in [
            "--config.fil x",
            "--config.file",
            "--web.listen-address 9100",
            "--web.telemetry-path metrics",
            "--web.telemetry-path /-/ready",
            "--web.telemetry-path /api/v1/torrents",
            "--web.telemetry-path /config",
            "--web.telemetry-path /torrents",
            "--web.telemetry-path /badge/x",
            "--web.telemetry-path /",
            "--web.telemetry-path /a?b",
            "--web.max-requests=-1",
            "--web.external-url m.example",
            "--log.level loud",
            "--log.format xml",
            "probe",
            "probe a b",
            "probe a --output yaml",
            "prob a",
        ] {
            assert_eq!(parse(line).expect_err(line).exit_code(), 2, "{line}");
        }
        assert!(parse("--web.telemetry-path /configuration").is_ok());
    }

    #[test]
    fn a_number_of_requests_that_is_none_is_explained() {
        for value in ["-1", "many", "1.5", ""] {
            let error = parse(&format!("--web.max-requests={value}")).unwrap_err();
            let text = error.to_string();
            assert!(text.contains("must be a whole number; 0 = 256"), "{text}");
        }
    }

    #[test]
    fn version_and_help_go_to_standard_output() {
        for (line, kind) in [
            ("--version", ErrorKind::DisplayVersion),
            ("-V", ErrorKind::DisplayVersion),
            ("--help", ErrorKind::DisplayHelp),
            ("-h", ErrorKind::DisplayHelp),
            ("probe --help", ErrorKind::DisplayHelp),
        ] {
            let shown = parse(line).unwrap_err();
            assert_eq!((shown.kind(), shown.exit_code()), (kind, 0), "{line}");
            assert!(!shown.use_stderr(), "{line}");
        }
        assert_eq!(
            parse("--version").unwrap_err().to_string(),
            format!("seedwatch {}\n", version())
        );
    }
}
