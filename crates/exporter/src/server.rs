//! Accepts, limits, serves and ends connections.

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

use super::access::{AccessPolicy, WebConfig};
use super::client::ClientKey;
use super::connections::{ConnectionStatus, Connections, OpenConnection};
use super::{
    FIRST_REQUEST_TIMEOUT, IDLE_TIMEOUT, MAX_HEAD, MAX_HEADERS, MAX_STREAMS, SHUTDOWN_TIMEOUT,
    Service,
};
use super::{admission, plain_http};
use seedwatch_clock::LineLimit;

/// Pause after a failed accept: the usual cause is a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The state that all connections share.
struct ServerContext<S> {
    service: Arc<S>,
    config: Option<Arc<WebConfig>>,
    connections: Arc<Connections>,
    log: Arc<LineLimit<LogLine>>,
}

/// Log lines that any client, or a lasting fault, could repeat without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum LogLine {
    Accept,
    Handshake,
}

impl<S> Clone for ServerContext<S> {
    fn clone(&self) -> Self {
        Self {
            service: Arc::clone(&self.service),
            config: self.config.clone(),
            connections: Arc::clone(&self.connections),
            log: Arc::clone(&self.log),
        }
    }
}

impl<S> ServerContext<S> {
    async fn access(&self) -> Arc<AccessPolicy> {
        match &self.config {
            Some(config) => config.current().await,
            None => Arc::default(),
        }
    }

    /// Logs why a handshake was refused, at most once per minute.
    fn log_refusal(&self, reason: &dyn fmt::Display) {
        let now = Instant::now().into_std();
        if let Some(suppressed) = self.log.admit(LogLine::Handshake, now) {
            tracing::warn!(%reason, suppressed, "TLS handshake refused");
        }
    }
}

/// Serves all listeners until `shutdown` is ready, then waits for requests in flight, at most for
/// [`SHUTDOWN_TIMEOUT`]. Without a `config` there is no TLS and no password.
pub async fn serve<S: Service>(
    listeners: Vec<TcpListener>,
    config: Option<Arc<WebConfig>>,
    service: Arc<S>,
    shutdown: impl Future<Output = ()>,
) {
    let (stop, stopped) = watch::channel(());
    let shared = ServerContext {
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

/// Accepts from one listener until the sender of `stopped` is dropped.
async fn accept<S: Service>(
    listener: TcpListener,
    shared: ServerContext<S>,
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
                tasks.spawn(run_connection(stream, client, shared, watcher));
            }
            Err(error) => {
                // The end of a connection frees what is missing, such as a file descriptor.
                shared.connections.evict_one();
                let now = Instant::now().into_std();
                if let Some(suppressed) = shared.log.admit(LogLine::Accept, now) {
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
    // Dropping the set ends the remaining connections.
}

/// Runs one connection until it ends or is evicted.
async fn run_connection<S: Service>(
    stream: TcpStream,
    client: ClientKey,
    shared: ServerContext<S>,
    watcher: Watcher,
) {
    let open = shared.connections.add(client);
    let status = Arc::clone(&open.status);
    tokio::select! {
        () = negotiate_and_serve(stream, client, &open, &shared, watcher) => {}
        () = status.evicted() => tracing::debug!("connection evicted for another one"),
    }
}

async fn negotiate_and_serve<S: Service>(
    mut stream: TcpStream,
    client: ClientKey,
    open: &OpenConnection,
    shared: &ServerContext<S>,
    watcher: Watcher,
) {
    // Chunks of a page are large: Nagle's algorithm would only add delay.
    let _ = stream.set_nodelay(true);
    let access = shared.access().await;
    let builder = builder(access.http2);
    let status = &open.status;
    let tracked = |inner| IdleTrackingStream {
        inner,
        status: Arc::clone(status),
    };
    let Some(tls) = &access.tls else {
        return serve_http(tracked(stream), &builder, client, status, shared, watcher).await;
    };
    let deadline = Instant::now() + FIRST_REQUEST_TIMEOUT;
    match tokio::time::timeout_at(deadline, plain_http::is_plain_http(&stream)).await {
        Ok(false) => {}
        Ok(true) => {
            shared.log_refusal(&"the client speaks plain HTTP");
            return plain_http::refuse_plain_http(&mut stream, &access.headers).await;
        }
        Err(_) => return tracing::debug!("the client sends no first byte"),
    }
    let handshake = TlsAcceptor::from(Arc::clone(tls)).accept(tracked(stream));
    match tokio::time::timeout_at(deadline, handshake).await {
        Ok(Ok(io)) => serve_http(io, &builder, client, status, shared, watcher).await,
        // TLS could not be agreed on. Any other error means that the client has left.
        Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => shared.log_refusal(&error),
        Ok(Err(error)) => tracing::debug!(%error, "TLS handshake aborted by the client"),
        Err(_) => tracing::debug!("TLS handshake took too long"),
    }
}

async fn serve_http<S: Service>(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    builder: &Builder<TokioExecutor>,
    client: ClientKey,
    status: &Arc<ConnectionStatus>,
    shared: &ServerContext<S>,
    watcher: Watcher,
) {
    let service = service_fn(|request| {
        let in_flight = status.begin_request();
        let shared = shared.clone();
        async move {
            let _under_way = in_flight;
            let access = shared.access().await;
            Ok::<_, Infallible>(
                admission::respond::<Incoming, S>(&access, &*shared.service, client, &request)
                    .await,
            )
        }
    });
    let connection = watcher.watch(builder.serve_connection(TokioIo::new(io), service));
    tokio::select! {
        // Errors of a connection are caused by its client: it left, or its bytes are not HTTP.
        ended = connection => if let Err(error) = ended {
            tracing::debug!(error, "connection ended");
        },
        () = status.timed_out() => tracing::debug!("connection timed out"),
    }
}

fn builder(http2: bool) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // Counts from the end of the previous request, so it must allow for the pause between two.
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

/// A stream that records when bytes are read or written.
struct IdleTrackingStream<S> {
    inner: S,
    status: Arc<ConnectionStatus>,
}

impl<S: AsyncRead + Unpin> AsyncRead for IdleTrackingStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let result = pin!(&mut self.inner).poll_read(context, buffer);
        if result.is_ready() {
            self.status.touch();
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for IdleTrackingStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = pin!(&mut self.inner).poll_write(context, bytes);
        if result.is_ready() {
            self.status.touch();
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
            self.status.touch();
        }
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}
