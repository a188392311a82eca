//! The ports that we announce to trackers, kept over a kill.

use std::time::Instant;

use tokio::time::timeout_at;
use tracing::{info, warn};

use super::{StateWriter, call_disk, resume};
use crate::store::{Ports, StoreError};

/// The ports to announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app) struct AnnouncedPorts {
    pub(in crate::app) ports: Ports,
    /// Whether a killed process announced them. Trackers may still list it.
    pub(in crate::app) is_inherited: bool,
}

impl StateWriter {
    /// Returns the ports to announce: those of a predecessor that was killed, so that its entries
    /// at trackers are known as ours, or else `fresh`, which are saved.
    pub(in crate::app) async fn announced_ports(&self, fresh: Ports) -> AnnouncedPorts {
        let fresh = AnnouncedPorts {
            ports: fresh,
            is_inherited: false,
        };
        let Some(store) = self.store.clone().filter(|_| !self.hangs) else {
            return fresh;
        };
        let hangs = store.hangs();
        let call = move || {
            let inherited = store.load_ports();
            if !matches!(inherited, Ok(Some(_))) {
                store.save_ports(fresh.ports)?;
            }
            inherited
        };
        let done = tokio::task::spawn_blocking(move || call_disk(call)).await;
        let done: Option<Result<Option<Ports>, StoreError>> = done.unwrap_or_else(resume);
        match done.unwrap_or(Err(hangs)) {
            Ok(None) => fresh,
            Ok(Some(ports)) => {
                info!("the last process was killed: its entries at trackers count as our own");
                AnnouncedPorts {
                    ports,
                    is_inherited: true,
                }
            }
            Err(error) => {
                warn!(%error, "after a kill, our own entries at trackers may count as peers");
                fresh
            }
        }
    }

    /// Forgets the ports, because no tracker lists them any more.
    pub(in crate::app) async fn forget_ports(&self, deadline: Instant) {
        let Some(store) = self.store.clone().filter(|_| !self.hangs) else {
            return;
        };
        let forget = tokio::task::spawn_blocking(move || store.forget_ports());
        // If the disk does not answer, the next process announces the same ports.
        let _ = timeout_at(deadline.into(), forget).await;
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::config;
    use tokio::sync::mpsc;

    async fn writer(folder: &Path) -> StateWriter {
        let config = config::State {
            path: Some(folder.to_owned()),
            interval: Duration::from_secs(60),
        };
        let key = crate::app::identity::new_key().unwrap();
        StateWriter::open(&config, key, mpsc::channel(1).0)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn the_ports_of_a_killed_process_are_announced_again() {
        let folder = tempfile::tempdir().unwrap();
        let announced = async |fresh| {
            let writer = writer(folder.path()).await;
            let announced = writer.announced_ports(fresh).await;
            (announced.ports, announced.is_inherited)
        };
        assert_eq!(announced([20_000, 20_001]).await, ([20_000, 20_001], false));
        // Nothing was forgotten: it was killed, and its successor too.
        assert_eq!(announced([1, 2]).await, ([20_000, 20_001], true));
        assert_eq!(announced([3, 4]).await, ([20_000, 20_001], true));
        let deadline = Instant::now() + Duration::from_secs(60);
        writer(folder.path()).await.forget_ports(deadline).await;
        assert_eq!(announced([5, 6]).await, ([5, 6], false));
    }
}
