//! Response bodies: a few bytes at once, or a large page piece by piece.

use std::fmt;
use std::io;
use std::io::Write as _;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{Instant, timeout_at};

use super::SEND_TIMEOUT;
use super::client::ClientKey;
use super::slots::{Page, Slot};
use super::turns::{Turn, Turns};

/// Bytes collected before they are handed over.
const CHUNK: usize = 64 * 1024;

/// Pieces waiting for a reader; with them a page takes some 400 KiB, however large it is.
const QUEUE: usize = 4;

/// The level with the best ratio of time to size for this text (see `benches/metrics.rs`).
const GZIP_LEVEL: u32 = 1;

/// A body for hyper.
#[derive(Debug)]
pub enum ResponseBody {
    /// A few bytes.
    Full(Bytes),
    /// The pieces of a large page.
    Stream(mpsc::Receiver<Piece>),
    /// Nothing, or nothing more.
    Done,
}

/// Part of a large page. A stream that ends without [`Piece::End`] is a torn page, and the
/// connection is cut so that nobody takes it for a whole one.
#[derive(Debug)]
pub enum Piece {
    Data(Bytes),
    End,
}

/// The writer of a page gave up: the reader was too slow, another client needed the slot, or
/// writing failed.
#[derive(Debug, thiserror::Error)]
#[error("the page could not be sent whole")]
pub struct Torn;

impl From<String> for ResponseBody {
    fn from(text: String) -> Self {
        Self::Full(text.into())
    }
}

impl From<&'static str> for ResponseBody {
    fn from(text: &'static str) -> Self {
        Self::Full(Bytes::from_static(text.as_bytes()))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Torn;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Torn>>> {
        match &mut *self {
            Self::Done => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = mem::take(bytes);
                *self = Self::Done;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Self::Stream(pieces) => {
                let piece = std::task::ready!(pieces.poll_recv(context));
                Poll::Ready(match piece {
                    Some(Piece::Data(bytes)) => Some(Ok(Frame::data(bytes))),
                    Some(Piece::End) => {
                        *self = Self::Done;
                        None
                    }
                    None => {
                        *self = Self::Done;
                        Some(Err(Torn))
                    }
                })
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Done => true,
            Self::Full(bytes) => bytes.is_empty(),
            Self::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Done => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

/// Has `write` fill a page for `client` on a thread that may block, away from the threads that
/// probe. The slot is free again when the page is written or given up.
pub(super) fn stream(
    gzip: bool,
    encoding: &Turns,
    client: ClientKey,
    slot: Slot,
    write: impl FnOnce(&mut Sink) -> Result<(), Torn> + Send + 'static,
) -> ResponseBody {
    let (pieces, body) = mpsc::channel(QUEUE);
    let runtime = Handle::current();
    let encoding = encoding.clone();
    runtime.clone().spawn_blocking(move || {
        let compressor = gzip.then(|| GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL)));
        let mut sink = Sink {
            text: Vec::with_capacity(CHUNK + CHUNK / 8),
            compressor,
            pieces,
            runtime,
            encoding,
            client,
            page: Arc::clone(slot.page()),
            turn: None,
            deadline: Instant::now() + SEND_TIMEOUT,
        };
        // A page given up needs no words here: the connection is cut, and the reader knows.
        let _ = sink
            .take_turn()
            .and_then(|()| write(&mut sink))
            .and_then(|()| sink.finish());
        drop(slot);
    });
    ResponseBody::Stream(body)
}

/// Where a page is written to.
pub struct Sink {
    text: Vec<u8>,
    compressor: Option<GzEncoder<Vec<u8>>>,
    pieces: mpsc::Sender<Piece>,
    runtime: Handle,
    encoding: Turns,
    client: ClientKey,
    page: Arc<Page>,
    /// Held while bytes are made, not while a reader is waited for.
    turn: Option<Turn>,
    deadline: Instant,
}

impl Sink {
    fn push(&mut self, bytes: &[u8]) -> Result<(), Torn> {
        match *bytes {
            // Most pieces of an exposition are single marks: cheaper pushed than copied.
            [byte] => self.text.push(byte),
            [first, second] => self.text.extend_from_slice(&[first, second]),
            _ => self.text.extend_from_slice(bytes),
        }
        if self.text.len() >= CHUNK {
            self.flush_text()?;
        }
        Ok(())
    }

    /// Waits until no other page is being made.
    fn take_turn(&mut self) -> Result<(), Torn> {
        let turn = self.encoding.take(self.client);
        let turn = self.wait(turn)?.map_err(|_| Torn)?;
        self.turn = Some(turn);
        Ok(())
    }

    /// Waits for the end of `future`, unless the page is given up before.
    fn wait<F: Future>(&self, future: F) -> Result<F::Output, Torn> {
        self.runtime.block_on(async {
            tokio::select! {
                outcome = timeout_at(self.deadline, future) => outcome.map_err(|_| Torn),
                () = self.page.given_up() => Err(Torn),
            }
        })
    }

    fn flush_text(&mut self) -> Result<(), Torn> {
        match &mut self.compressor {
            None => {
                let full = mem::replace(&mut self.text, Vec::with_capacity(CHUNK + CHUNK / 8));
                self.send(Piece::Data(full.into()))
            }
            Some(compressor) => {
                compressor.write_all(&self.text).map_err(|_| Torn)?;
                self.text.clear();
                if compressor.get_ref().len() < CHUNK / 2 {
                    return Ok(());
                }
                let full = mem::replace(compressor.get_mut(), Vec::with_capacity(CHUNK));
                self.send(Piece::Data(full.into()))
            }
        }
    }

    fn send(&mut self, piece: Piece) -> Result<(), Torn> {
        match self.pieces.try_send(piece) {
            Ok(()) => Ok(()),
            Err(TrySendError::Closed(_)) => Err(Torn),
            Err(TrySendError::Full(piece)) => {
                self.turn = None;
                self.page.set_stalled(true);
                self.wait(self.pieces.send(piece))?.map_err(|_| Torn)?;
                self.page.set_stalled(false);
                self.take_turn()
            }
        }
    }

    fn finish(mut self) -> Result<(), Torn> {
        let rest = match self.compressor.take() {
            None => mem::take(&mut self.text),
            Some(mut compressor) => {
                compressor.write_all(&self.text).map_err(|_| Torn)?;
                compressor.finish().map_err(|_| Torn)?
            }
        };
        if !rest.is_empty() {
            self.send(Piece::Data(rest.into()))?;
        }
        self.send(Piece::End)
    }
}

impl fmt::Write for Sink {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes()).map_err(|Torn| fmt::Error)
    }
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::slots::Slots;

    async fn written(
        write: impl FnOnce(&mut Sink) -> Result<(), Torn> + Send + 'static,
    ) -> Result<Bytes, Torn> {
        let slot = Arc::new(Slots::new(1)).take(ClientKey::LOCAL).unwrap();
        let body = stream(false, &Turns::new(1, 1), ClientKey::LOCAL, slot, write);
        body.collect().await.map(|whole| whole.to_bytes())
    }

    /// More than the queue between writer and reader holds.
    fn fill(sink: &mut Sink) -> Result<(), Torn> {
        for _ in 0..1000 {
            fmt::Write::write_str(sink, &"x".repeat(1000)).map_err(|_| Torn)?;
        }
        Ok(())
    }

    #[tokio::test]
    async fn a_page_arrives_whole_or_as_an_error() {
        assert_eq!(written(fill).await.unwrap().len(), 1_000_000);
        assert_eq!(written(|_| Ok(())).await.unwrap(), "");
        let torn = written(|sink| {
            sink.push(b"half a page")?;
            Err(Torn)
        });
        assert!(torn.await.is_err());
        assert!(written(|_| panic!("a writer that dies")).await.is_err());
    }

    #[tokio::test]
    async fn a_slot_is_free_again_when_its_page_is_written() {
        let (turns, slots) = (Turns::new(1, 1), Arc::new(Slots::new(1)));
        let slot = slots.take(ClientKey::LOCAL).unwrap();
        let body = stream(true, &turns, ClientKey::LOCAL, slot, |sink| {
            sink.push(b"page")
        });
        body.collect().await.unwrap();
        // The writer ends a moment after its last piece has been read.
        tokio::time::timeout(SEND_TIMEOUT, async {
            while slots.take(ClientKey::LOCAL).is_none() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
        assert_eq!(turns.free(), 1);
    }

    #[tokio::test]
    async fn a_page_ends_torn_when_its_slot_goes_to_another_client() {
        let (turns, slots) = (Turns::new(1, 1), Arc::new(Slots::new(2)));
        let mut bodies = Vec::new();
        for _ in 0..2 {
            let slot = slots.take(ClientKey::LOCAL).unwrap();
            bodies.push(stream(false, &turns, ClientKey::LOCAL, slot, fill));
        }
        let other = std::net::IpAddr::from([127, 0, 0, 2]).into();
        let slot = slots.take(other).unwrap();
        let page = stream(false, &turns, other, slot, |sink| sink.push(b"page"));
        assert_eq!(page.collect().await.unwrap().to_bytes(), "page");
        let mut torn = 0;
        for body in bodies {
            torn += usize::from(body.collect().await.is_err());
        }
        assert_eq!(torn, 1);
    }
}
