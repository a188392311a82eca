//! Connections: accepted, limited, watched, and ended in order.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::access::{Access, WebConfig};
use super::client::ClientKey;
use super::connections::{Connections, Life, OpenConnection};
use super::{
    FIRST_REQUEST_TIMEOUT, IDLE_TIMEOUT, MAX_HEAD, MAX_HEADERS, MAX_STREAMS, SHUTDOWN_TIMEOUT,
    Service,
};
use super::{admission, plain};
use seedwatch_clock::LineLimit;

/// Pause after a failed accept: the usual cause is a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What every connection needs.
struct Shared<S> {
    service: Arc<S>,
    config: Option<Arc<WebConfig>>,
    connections: Arc<Connections>,
    log: Arc<LineLimit<Line>>,
}

/// Log lines that any client, or a lasting fault, could repeat without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Line {
    Accept,
    Handshake,
}

impl<S> Clone for Shared<S> {
    fn clone(&self) -> Self {
        Self {
            service: Arc::clone(&self.service),
            config: self.config.clone(),
            connections: Arc::clone(&self.connections),
            log: Arc::clone(&self.log),
        }
    }
}

impl<S> Shared<S> {
    async fn access(&self) -> Arc<Access> {
        match &self.config {
            Some(config) => config.current().await,
            None => Arc::default(),
        }
    }

    /// Says why a client was refused, once per minute.
    fn log_refusal(&self, reason: &dyn fmt::Display) {
        let now = Instant::now().into_std();
        if let Some(suppressed) = self.log.admit(Line::Handshake, now) {
            tracing::warn!(%reason, suppressed, "TLS handshake refused");
        }
    }
}

/// Serves all listeners until `shutdown` is ready, then lets requests under way finish, for
/// [`SHUTDOWN_TIMEOUT`] at most. Without a `config`: no TLS, no passwords.
pub async fn serve<S: Service>(
    listeners: Vec<TcpListener>,
    config: Option<Arc<WebConfig>>,
    service: Arc<S>,
    shutdown: impl Future<Output = ()>,
) {
    let (stop, stopped) = watch::channel(());
    let shared = Shared {
        service,
        config,
        connections: Arc::default(),
        log: Arc::default(),
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
async fn accept<S: Service>(
    listener: TcpListener,
    shared: Shared<S>,
    mut stopped: watch::Receiver<()>,
) {
    let connections = GracefulShutdown::new();
    let mut tasks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.changed() => break,
            Some(_) = tasks.join_next() => continue,
        };
        match accepted {
            Ok((stream, address)) => {
                let client = ClientKey::from(address.ip());
                let shared = shared.clone();
                let watcher = connections.watcher();
                tasks.spawn(connection(stream, client, shared, watcher));
            }
            Err(error) => {
                // Whatever is missing, such as a file descriptor, the end of a connection frees.
                shared.connections.make_room();
                let now = Instant::now().into_std();
                if let Some(suppressed) = shared.log.admit(Line::Accept, now) {
                    tracing::warn!(%error, suppressed, "cannot accept connections");
                }
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

/// One connection, from its first byte to its last, unless another one needs its place.
async fn connection<S: Service>(
    stream: TcpStream,
    client: ClientKey,
    shared: Shared<S>,
    watcher: Watcher,
) {
    let open = shared.connections.add(client);
    let life = Arc::clone(&open.life);
    tokio::select! {
        () = converse(stream, client, &open, &shared, watcher) => {}
        () = life.evicted() => tracing::debug!("connection gave way to another one"),
    }
}

async fn converse<S: Service>(
    mut stream: TcpStream,
    client: ClientKey,
    open: &OpenConnection,
    shared: &Shared<S>,
    watcher: Watcher,
) {
    // Chunks of a page are written whole; waiting for more to send only adds delay.
    let _ = stream.set_nodelay(true);
    let access = shared.access().await;
    let builder = builder(access.http2);
    let life = &open.life;
    let watched = |inner| Watched {
        inner,
        life: Arc::clone(life),
    };
    let Some(tls) = &access.tls else {
        return speak(watched(stream), &builder, client, life, shared, watcher).await;
    };
    let deadline = Instant::now() + FIRST_REQUEST_TIMEOUT;
    match tokio::time::timeout_at(deadline, plain::is_spoken(&stream)).await {
        Ok(false) => {}
        Ok(true) => {
            shared.log_refusal(&"the client speaks plain HTTP");
            return plain::refuse(&mut stream, &access.headers).await;
        }
        Err(_) => return tracing::debug!("the client sends nothing"),
    }
    let handshake = TlsAcceptor::from(Arc::clone(tls)).accept(watched(stream));
    match tokio::time::timeout_at(deadline, handshake).await {
        Ok(Ok(io)) => speak(io, &builder, client, life, shared, watcher).await,
        // The client and this server do not agree. Otherwise the client went away.
        Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => shared.log_refusal(&error),
        Ok(Err(error)) => tracing::debug!(%error, "TLS handshake given up"),
        Err(_) => tracing::debug!("TLS handshake took too long"),
    }
}

async fn speak<S: Service>(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    builder: &Builder<TokioExecutor>,
    client: ClientKey,
    life: &Arc<Life>,
    shared: &Shared<S>,
    watcher: Watcher,
) {
    let service = service_fn(|request| {
        let under_way = life.asks();
        let shared = shared.clone();
        async move {
            let _under_way = under_way;
            let access = shared.access().await;
            Ok::<_, Infallible>(
                admission::guarded::<Incoming, S>(&access, &*shared.service, client, &request)
                    .await,
            )
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
