//! The sockets of the resolver. hickory drops the reason why it had none; it is kept here.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_resolver::net::runtime::{RuntimeProvider, TokioRuntimeProvider};
use tokio::time::Instant;

use crate::shortage;
use seedwatch_tracker::Failed;

type Opening<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

/// Opens sockets, and notes when this machine had no resources for one. Clones share the note.
#[derive(Clone, Default)]
pub(super) struct Sockets {
    inner: TokioRuntimeProvider,
    lacked: Arc<Mutex<Option<(Instant, Failed)>>>,
}

impl Sockets {
    /// The latest lack of resources, if one was met since `then`.
    pub(super) fn lacked_since(&self, then: Instant) -> Option<Failed> {
        let lacked = self.lacked.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, failed) = lacked.as_ref()?;
        (*at >= then).then(|| failed.clone())
    }

    fn watch<T: 'static>(&self, opening: Opening<T>) -> Opening<T> {
        let lacked = Arc::clone(&self.lacked);
        Box::pin(async move {
            opening.await.inspect_err(|error| {
                if let Some(failed) = shortage::failed(error) {
                    let mut lacked = lacked.lock().unwrap_or_else(PoisonError::into_inner);
                    *lacked = Some((Instant::now(), failed));
                }
            })
        })
    }
}

impl RuntimeProvider for Sockets {
    type Handle = <TokioRuntimeProvider as RuntimeProvider>::Handle;
    type Timer = <TokioRuntimeProvider as RuntimeProvider>::Timer;
    type Udp = <TokioRuntimeProvider as RuntimeProvider>::Udp;
    type Tcp = <TokioRuntimeProvider as RuntimeProvider>::Tcp;

    fn create_handle(&self) -> Self::Handle {
        self.inner.create_handle()
    }

    fn connect_tcp(
        &self,
        server: SocketAddr,
        from: Option<SocketAddr>,
        timeout: Option<Duration>,
    ) -> Opening<Self::Tcp> {
        self.watch(self.inner.connect_tcp(server, from, timeout))
    }

    fn bind_udp(&self, local: SocketAddr, server: SocketAddr) -> Opening<Self::Udp> {
        self.watch(self.inner.bind_udp(local, server))
    }
}
