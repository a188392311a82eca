//! All probers behind one door: jobs go in, observations come out of one channel.

use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tokio::sync::mpsc;

use crate::config::Config;
use crate::store::StoreError;
use seedwatch_probers::http::{self, HttpProber};
use seedwatch_probers::resolve::Resolver;
use seedwatch_probers::udp::{self, UdpProber};
use seedwatch_torrent::Scheme;
use seedwatch_tracker::{Exchange, Failed, Failure, Identity, Job, Observation};

/// Batches of observations that may wait for the core.
pub(super) const QUEUE: usize = 1024;

/// The probers of one configuration.
pub(super) struct Probers {
    udp: UdpProber,
    http: HttpProber,
    roots: Roots,
    out: mpsc::Sender<Vec<Observation>>,
}

/// Root certificates beside those of the web.
pub(super) type Roots = Vec<CertificateDer<'static>>;

/// Reads the additional root certificates. Waits for the disk, but not for long.
///
/// # Errors
/// [`StartError::Roots`].
pub(super) fn roots() -> Result<Roots, StartError> {
    http::roots_from_environment().map_err(StartError::Roots)
}

/// Why the probers could not be built.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No secret to remember peers with.
    #[error("cannot make a key: {0}")]
    Random(std::io::Error),
    /// Somebody else keeps theirs in our state directory.
    #[error("state.path: {0}")]
    State(StoreError),
    /// No UDP socket in either family.
    #[error("cannot open a UDP socket: {0}")]
    Udp(std::io::Error),
    /// No socket for the DHT.
    #[error("cannot open a socket for the DHT: {0}")]
    Dht(std::io::Error),
    /// No certificates where `SSL_CERT_FILE` points.
    #[error("SSL_CERT_FILE: {0}")]
    Roots(http::RootsError),
    /// No TLS.
    #[error("cannot set up HTTP: {0}")]
    Http(http::SetupError),
}

impl Probers {
    /// Builds all probers. Must be called within the tokio runtime.
    pub(super) fn start(
        config: &Config,
        identity: Identity,
        resolver: &Resolver,
        out: mpsc::Sender<Vec<Observation>>,
    ) -> Result<Self, StartError> {
        let udp = UdpProber::start(
            udp_settings(config, identity),
            resolver.clone(),
            out.clone(),
        );
        let roots = roots()?;
        let http = HttpProber::start(
            http_settings(config, identity, roots.clone()),
            resolver.clone(),
            out.clone(),
        );
        Ok(Self {
            udp: udp.map_err(StartError::Udp)?,
            http: http.map_err(StartError::Http)?,
            roots,
            out,
        })
    }

    /// The root certificates in use beside those of the web.
    pub(super) fn roots(&self) -> &Roots {
        &self.roots
    }

    /// New settings for all questions from now on; those under way end as they began.
    pub(super) fn configure(
        &mut self,
        config: &Config,
        identity: Identity,
        roots: Roots,
    ) -> Result<(), StartError> {
        let settings = http_settings(config, identity, roots.clone());
        self.http.configure(settings).map_err(StartError::Http)?;
        self.roots = roots;
        self.udp.configure(udp_settings(config, identity));
        Ok(())
    }

    /// Takes jobs and never blocks. Each ends in one observation.
    pub(super) fn submit(&self, jobs: Vec<Job>) {
        let (mut datagrams, mut requests) = (Vec::new(), Vec::new());
        for job in jobs {
            match job.url.scheme() {
                _ if job.url.is_overlay() => self.decline(&job, "an overlay network"),
                Scheme::Udp => datagrams.push(job),
                Scheme::Http | Scheme::Https => requests.push(job),
                Scheme::Ws | Scheme::Wss => self.decline(&job, "WebTorrent"),
            }
        }
        if !datagrams.is_empty() {
            self.udp.submit(datagrams);
        }
        if !requests.is_empty() {
            self.http.submit(requests);
        }
    }

    /// What we do not speak is said once and not tried.
    fn decline(&self, job: &Job, what: &str) {
        let failed = Failed::new(Failure::Unsupported, what);
        let observation = Observation {
            tracker: job.tracker,
            family: job.family,
            report: job.ask.failed(failed),
            exchange: Exchange {
                duration: Duration::ZERO,
                ..Exchange::default()
            },
        };
        let out = self.out.clone();
        tokio::spawn(async move {
            let _ = out.send(vec![observation]).await;
        });
    }

    /// Stops all probers, those of earlier configurations too; every `started` gets its `stopped`.
    /// Takes two seconds at most.
    pub(super) async fn drain(self) {
        tokio::join!(self.udp.drain(), self.http.drain());
    }
}

fn udp_settings(config: &Config, identity: Identity) -> udp::Settings {
    udp::Settings {
        identity,
        numwant: config.tracker.numwant,
        accept: config.accept,
    }
}

fn http_settings(config: &Config, identity: Identity, roots: Roots) -> http::Settings {
    http::Settings {
        identity,
        numwant: config.tracker.numwant,
        accept: config.accept,
        user_agent: config.tracker.user_agent.to_string(),
        roots,
    }
}
