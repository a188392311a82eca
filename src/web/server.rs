//! Connections: accepted, limited, watched, and ended in order.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

use super::access::{Access, WebConfig};
use super::route;
use super::{
    FIRST_REQUEST_TIMEOUT, IDLE_TIMEOUT, MAX_CONNECTIONS, MAX_HEAD, MAX_HEADERS, MAX_STREAMS,
    SHUTDOWN_TIMEOUT, State,
};

/// Pause after a failed accept: the usual cause is a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What every connection needs.
#[derive(Clone)]
struct Shared {
    state: Arc<State>,
    config: Option<Arc<WebConfig>>,
    slots: Arc<Semaphore>,
}

impl Shared {
    async fn access(&self) -> Arc<Access> {
        match &self.config {
            Some(config) => config.current().await,
            None => Arc::default(),
        }
    }
}

/// Serves all listeners until `shutdown` is ready, then lets requests under way finish, for
/// [`SHUTDOWN_TIMEOUT`] at most. Without a `config`: no TLS, no passwords.
pub async fn serve(
    listeners: Vec<TcpListener>,
    config: Option<Arc<WebConfig>>,
    state: Arc<State>,
    shutdown: impl Future<Output = ()>,
) {
    let (stop, stopped) = watch::channel(());
    let shared = Shared {
        state,
        config,
        slots: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
    };
    let mut tasks = JoinSet::new();
    for listener in listeners {
        tasks.spawn(accept(listener, shared.clone(), stopped.clone()));
    }
    drop(stopped);
    shutdown.await;
    drop(stop);
    while tasks.join_next().await.is_some() {}
}

/// Accepts from one listener until the sender of `stopped` is gone.
async fn accept(listener: TcpListener, shared: Shared, mut stopped: watch::Receiver<()>) {
    let connections = GracefulShutdown::new();
    let mut tasks = JoinSet::new();
    loop {
        let next = async {
            let slot = Arc::clone(&shared.slots).acquire_owned().await.ok()?;
            Some((listener.accept().await, slot))
        };
        let accepted = tokio::select! {
            accepted = next => accepted,
            _ = stopped.changed() => break,
            Some(_) = tasks.join_next() => continue,
        };
        match accepted {
            None => break,
            Some((Ok((stream, _)), slot)) => {
                tasks.spawn(connection(
                    stream,
                    slot,
                    shared.clone(),
                    connections.watcher(),
                ));
            }
            Some((Err(error), _)) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    if timeout(SHUTDOWN_TIMEOUT, connections.shutdown())
        .await
        .is_err()
    {
        tracing::debug!("connections cut at shutdown");
    }
    // Dropping the set ends what is left.
}

/// One connection, from its first byte to its last.
async fn connection(
    stream: TcpStream,
    slot: OwnedSemaphorePermit,
    shared: Shared,
    watcher: Watcher,
) {
    // Chunks of a page are written whole; waiting for more to send only adds delay.
    let _ = stream.set_nodelay(true);
    let life = Arc::new(Life::new());
    let io = Watched {
        inner: stream,
        life: Arc::clone(&life),
    };
    let access = shared.access().await;
    let builder = builder(access.http2);
    match &access.tls {
        None => speak(io, &builder, &life, shared, watcher).await,
        Some(tls) => {
            let handshake = TlsAcceptor::from(Arc::clone(tls)).accept(io);
            match timeout(FIRST_REQUEST_TIMEOUT, handshake).await {
                Ok(Ok(io)) => speak(io, &builder, &life, shared, watcher).await,
                Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
                Err(_) => tracing::debug!("TLS handshake took too long"),
            }
        }
    }
    drop(slot);
}

async fn speak(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    builder: &Builder<TokioExecutor>,
    life: &Arc<Life>,
    shared: Shared,
    watcher: Watcher,
) {
    let service = service_fn(|request| {
        life.asked.store(true, Ordering::Relaxed);
        let shared = shared.clone();
        async move {
            let access = shared.access().await;
            Ok::<_, Infallible>(route::guarded(&access, &shared.state, &request).await)
        }
    });
    let connection = watcher.watch(builder.serve_connection(TokioIo::new(io), service));
    tokio::select! {
        // What goes wrong on a connection is the client's affair: it went away, or spoke nonsense.
        ended = connection => if let Err(error) = ended {
            tracing::debug!(error, "connection ended");
        },
        () = life.end() => tracing::debug!("connection idle for too long"),
    }
}

fn builder(http2: bool) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // Counts from the end of the request before, so it must allow for the pause between two.
        .header_read_timeout(IDLE_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD as u32);
    match http2 {
        true => builder,
        false => builder.http1_only(),
    }
}

/// When a connection last moved a byte.
struct Life {
    start: Instant,
    /// Milliseconds after `start`.
    moved: AtomicU64,
    /// A whole request has come.
    asked: AtomicBool,
}

impl Life {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            moved: AtomicU64::new(0),
            asked: AtomicBool::new(false),
        }
    }

    fn moves(&self) {
        let millis = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(millis, Ordering::Relaxed);
    }

    /// Waits until the connection has been still for too long.
    async fn end(&self) {
        sleep_until(self.start + FIRST_REQUEST_TIMEOUT).await;
        if !self.asked.load(Ordering::Relaxed) {
            return;
        }
        loop {
            let moved = Duration::from_millis(self.moved.load(Ordering::Relaxed));
            let end = self.start + moved + IDLE_TIMEOUT;
            if end <= Instant::now() {
                return;
            }
            sleep_until(end).await;
        }
    }
}

/// A stream that notes when bytes move.
struct Watched<S> {
    inner: S,
    life: Arc<Life>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let result = pin!(&mut self.inner).poll_read(context, buffer);
        if result.is_ready() {
            self.life.moves();
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = pin!(&mut self.inner).poll_write(context, bytes);
        if result.is_ready() {
            self.life.moves();
        }
        result
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        pin!(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        pin!(&mut self.inner).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = pin!(&mut self.inner).poll_write_vectored(context, slices);
        if result.is_ready() {
            self.life.moves();
        }
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lasts(life: &Life) -> Duration {
        life.end().await;
        life.start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_connection_ends_early() {
        let life = Life::new();
        life.moves();
        let time = lasts(&life).await;
        assert!(time >= FIRST_REQUEST_TIMEOUT && time < IDLE_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_ends_after_its_last_byte() {
        let life = Life::new();
        life.asked.store(true, Ordering::Relaxed);
        let pause = IDLE_TIMEOUT / 2;
        let talk = async {
            for _ in 0..4 {
                sleep(pause).await;
                life.moves();
            }
        };
        let (time, ()) = tokio::join!(lasts(&life), talk);
        let expected = 4 * pause + IDLE_TIMEOUT;
        assert!(time.abs_diff(expected) < Duration::from_secs(1));
    }
}
