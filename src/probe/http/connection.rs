//! One connection, driven by the probe that uses it.
//!
//! hyper speaks HTTP/1.1. Its driver runs inside the task that waits for the answer: a task of its
//! own for each connection costs several wake-ups per exchange.

use std::future::{Future, poll_fn};
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker, ready};

use hyper::body::{Body as _, Buf, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::body::MAX_BODY;

/// Most bytes of a head, with all interim responses (1xx) before it.
pub(super) const MAX_HEAD: usize = 64 << 10;
/// Most bytes of an answer on the wire: chunks take room too.
const MAX_WIRE: usize = MAX_HEAD + 2 * MAX_BODY;

/// The body of a request is an empty string: every request is a GET.
type Driver = http1::Connection<TokioIo<Metered>, String>;

/// A connection that carries one exchange at a time.
pub(super) struct Connection {
    sender: SendRequest<String>,
    /// `None` once the connection is closed.
    driver: Option<Pin<Box<Driver>>>,
    meter: Arc<Meter>,
    /// The address at the other end.
    pub(super) remote: IpAddr,
}

impl Connection {
    /// Prepares a stream for HTTP. Nothing is sent.
    pub(super) async fn new(stream: Stream, remote: IpAddr) -> hyper::Result<Self> {
        let meter = Arc::new(Meter::default());
        let io = TokioIo::new(Metered {
            stream,
            meter: meter.clone(),
        });
        let (sender, driver) = http1::Builder::new()
            .allow_obsolete_multiline_headers_in_responses(true)
            .allow_spaces_after_header_name_in_responses(true)
            .ignore_invalid_headers_in_responses(true)
            .max_buf_size(MAX_HEAD)
            .handshake(io)
            .await?;
        Ok(Self {
            sender,
            driver: Some(Box::pin(driver)),
            meter,
            remote,
        })
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn send(
        &mut self,
        request: Request<String>,
    ) -> hyper::Result<Response<Incoming>> {
        self.meter.begin();
        let mut answer = pin!(self.sender.send_request(request));
        let driver = &mut self.driver;
        let answer = poll_fn(|context| {
            drive(driver, context);
            // Only the driver moves the answer, so the answer needs no waker of its own.
            answer
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
        })
        .await;
        if answer.is_ok() {
            self.meter.head_came();
        }
        answer
    }

    /// Appends the next part of a body; `None` at its end.
    pub(super) async fn read(
        &mut self,
        body: &mut Incoming,
        to: &mut Vec<u8>,
    ) -> Option<hyper::Result<()>> {
        let frame = poll_fn(|context| {
            drive(&mut self.driver, context);
            Pin::new(&mut *body).poll_frame(&mut Context::from_waker(Waker::noop()))
        });
        let frame = frame.await?;
        Some(frame.map(|frame| {
            // Trailers say nothing that is asked for.
            if let Some(data) = frame.data_ref() {
                to.extend_from_slice(data.chunk());
            }
        }))
    }

    /// Whether another request can be sent, as far as is known: the server may have closed the
    /// connection, or sent something unasked.
    pub(super) fn is_open(&mut self) -> bool {
        drive(&mut self.driver, &mut Context::from_waker(Waker::noop()));
        self.driver.is_some() && self.sender.is_ready()
    }

    /// What came since the request was sent.
    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }
}

/// Lets the driver work. Its errors also reach the answer or the body that waits for it.
fn drive(driver: &mut Option<Pin<Box<Driver>>>, context: &mut Context<'_>) {
    if let Some(running) = driver
        && running.as_mut().poll(context).is_ready()
    {
        *driver = None;
    }
}

/// Bytes read since the latest request was sent.
#[derive(Debug, Default)]
pub(super) struct Meter {
    read: AtomicUsize,
    /// Only the head may be as long as a head.
    has_head: AtomicBool,
    has_interim: AtomicBool,
    is_full: AtomicBool,
}

impl Meter {
    fn begin(&self) {
        self.read.store(0, Ordering::Relaxed);
        self.has_head.store(false, Ordering::Relaxed);
        self.has_interim.store(false, Ordering::Relaxed);
    }

    fn head_came(&self) {
        self.has_head.store(true, Ordering::Relaxed);
    }

    /// No byte of an answer has come.
    pub(super) fn is_untouched(&self) -> bool {
        self.read.load(Ordering::Relaxed) == 0
    }

    /// Why nothing more is read, if the server said too much.
    pub(super) fn excess(&self) -> Option<&'static str> {
        let is_full = self.is_full.load(Ordering::Relaxed);
        is_full.then(|| {
            let has_head = self.has_head.load(Ordering::Relaxed);
            match self.has_interim.load(Ordering::Relaxed) {
                _ if has_head => "an answer of more than 2 MiB in chunks",
                true => "more than 64 KiB of interim responses (HTTP 1xx)",
                false => "headers of more than 64 KiB",
            }
        })
    }

    fn check(&self) -> io::Result<()> {
        let has_head = self.has_head.load(Ordering::Relaxed);
        let limit = if has_head { MAX_WIRE } else { MAX_HEAD };
        if self.read.load(Ordering::Relaxed) < limit {
            return Ok(());
        }
        self.is_full.store(true, Ordering::Relaxed);
        Err(io::Error::other("the answer is too long"))
    }

    fn add(&self, bytes: &[u8]) {
        let before = self.read.fetch_add(bytes.len(), Ordering::Relaxed);
        if before == 0 && bytes.get(..10).is_some_and(|start| start.ends_with(b" 1")) {
            self.has_interim.store(true, Ordering::Relaxed);
        }
    }
}

/// What bytes go over.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A stream that counts what is read from it, and stops at the bound.
struct Metered {
    stream: Stream,
    meter: Arc<Meter>,
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.meter.check()?;
        let before = buffer.filled().len();
        ready!(match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Tls(stream) => Pin::new(&mut **stream).poll_read(context, buffer),
        })?;
        self.meter.add(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(&mut **stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(&mut **stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(context),
        }
    }
}
