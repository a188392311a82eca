//! `seedwatch probe TARGET`: probes one torrent at all its trackers and in the DHT, and prints what
//! they answer.

mod lookups;
mod printer;
mod rows;
mod session;
mod target;

use std::io;

use tokio::sync::mpsc;

use super::probers::{self, QUEUE};
use crate::cli::{Cli, ProbeFlags};
use lookups::DhtLookups;
use printer::Printer;
use rows::Summary;
use seedwatch_probers::resolve::Resolver;
use seedwatch_torrent::Privacy;
use session::Session;

/// Why a probe could not be made, or had nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum ProbeCommandError {
    /// The torrent is private, and the configuration does not allow to probe it.
    #[error("the torrent is private: write `private: true` on its entry in the configuration")]
    Private,
    /// The torrent has no source to ask.
    #[error("the torrent has no tracker, and the DHT must not be asked about it")]
    NoSource,
    /// No source gave a valid answer.
    #[error("no tracker and no DHT lookup gave a valid answer")]
    NoAnswer,
    /// Trackers answered, but none has this torrent.
    #[error("a tracker answered, but no source has peers or counts of this torrent")]
    Refused,
}

/// An error that ends the probe.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Probes the target and prints what every tracker and the DHT answer. If `shutdown` or a closed
/// standard output ends it early, it still withdraws what it announced.
///
/// # Errors
/// If the target or the configuration is not valid, or no source has the torrent.
pub async fn probe(
    cli: &Cli,
    flags: &ProbeFlags,
    shutdown: impl Future<Output = ()>,
) -> Result<(), BoxError> {
    tokio::pin!(shutdown);
    // Reading may hang, for example on a pipe without a writer.
    let (path, target) = (cli.config_file.clone(), flags.target.clone());
    let reading = tokio::task::spawn_blocking(move || target::read(&path, &target));
    let config = tokio::select! {
        read = reading => read??,
        () = &mut shutdown => return Ok(()),
    };
    let torrent = &config.torrents[0];
    if torrent.privacy == Privacy::LeftAlone {
        return Err(ProbeCommandError::Private.into());
    }
    let resolver = Resolver::system();
    let mut lookups = DhtLookups::start(&config, torrent, &resolver).await?;
    if torrent.trackers.is_empty() && lookups.waiting() == 0 {
        return Err(ProbeCommandError::NoSource.into());
    }
    let mut session = Session::new(&config);
    let (out, mut observations) = mpsc::channel(QUEUE);
    let settings = probers::settings(&config, session.identity, probers::roots()?);
    let probers = probers::start(settings, &resolver, out)?;
    let mut printer = Printer::new(flags.output);
    let probing = async {
        printer.print_torrent(torrent)?;
        let sources = (&config, &probers);
        printer
            .follow(&mut session, sources, &mut observations, &mut lookups)
            .await
    };
    let is_complete = tokio::select! {
        followed = probing => followed.map(|()| true),
        () = &mut shutdown => Ok(false),
    };
    // The probers withdraw every announce, however the probe ended.
    observations.close();
    tokio::join!(probers.drain(), lookups.stop());
    let summary = session.summary();
    let printed = is_complete.and_then(|is_complete| match is_complete {
        true => printer.print_summary(torrent, &summary).map(|()| true),
        false => Ok(false),
    });
    conclude(printed, &summary, session.is_answered)
}

/// Returns the result of the probe. `printed` says whether it was completed.
fn conclude(
    printed: io::Result<bool>,
    summary: &Summary,
    is_answered: bool,
) -> Result<(), BoxError> {
    match printed {
        Ok(true) if summary.trackers_online == 0 && summary.dht.is_none() => {
            Err(match is_answered {
                true => ProbeCommandError::Refused.into(),
                false => ProbeCommandError::NoAnswer.into(),
            })
        }
        // A reader that closed the pipe, such as `head`, is no failure.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
