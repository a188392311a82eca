//! Shutdown: withdraws announces, saves the state, and ends within a bounded time.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout_at;
use tracing::{debug, error, info, warn};

use super::Inbox;
use super::daemon::{Daemon, Network};
use crate::log::FLUSH_LIMIT;
use seedwatch_probers::prober::DRAIN_TIMEOUT;

/// Deadline of a shutdown, whatever hangs.
const SHUTDOWN: Duration = Duration::from_secs(3);
// Probers end in time, and with the flush of the log it takes less than 5 s.
const _: () = assert!(SHUTDOWN.as_secs() > DRAIN_TIMEOUT.as_secs());
const _: () = assert!(SHUTDOWN.as_secs() + FLUSH_LIMIT.as_secs() < 5);

impl Daemon {
    /// Withdraws announces, saves, and lets requests under way finish, all at once.
    pub(super) async fn shut_down(
        mut self,
        mut inbox: Inbox,
        stop: oneshot::Sender<()>,
        server: JoinHandle<()>,
    ) {
        let deadline = Instant::now() + SHUTDOWN;
        info!("shutting down");
        self.supervisor.stopping();
        self.web.set_ready(false);
        drop(stop);
        self.absorb_rest(&mut inbox);
        self.end(server, deadline).await;
    }

    /// Absorbs what came in before the shutdown, so that it is saved too. What comes later must not
    /// block the probers while they withdraw announces.
    fn absorb_rest(&mut self, inbox: &mut Inbox) {
        inbox.observations.close();
        inbox.dht_reports.close();
        let mut batches = Vec::new();
        while let Ok(batch) = inbox.observations.try_recv() {
            batches.push(batch);
        }
        self.absorb(&mut batches);
        while let Ok(report) = inbox.dht_reports.try_recv() {
            self.absorb_dht(report);
        }
        self.log_notices();
    }

    /// Ends all parts at once, until the deadline.
    async fn end(self, mut server: JoinHandle<()>, deadline: Instant) {
        let Self {
            network,
            mut state_writer,
            mut engine,
            clock,
            ..
        } = self;
        let Network {
            probers, mut dht, ..
        } = network;
        let until = deadline.into();
        let saving = async {
            let table = timeout_at(until, dht.stop()).await.unwrap_or_default();
            state_writer
                .finish(&mut engine, table, clock.now(), deadline)
                .await;
        };
        let draining = timeout_at(until, probers.drain());
        let (drained, ()) = tokio::join!(draining, saving);
        if drained.is_err() {
            warn!("the probers did not end in time");
        } else {
            state_writer.forget_ports(deadline).await;
        }
        match timeout_at(until, &mut server).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => error!(%error, "the web server failed"),
            Err(_) => {
                debug!("connections cut at shutdown");
                server.abort();
            }
        }
    }
}
