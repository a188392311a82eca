//! Response bodies: a few bytes at once, or a large page in chunks.

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
use super::fair_queue::{FairQueue, Permit};
use super::page_slots::{PageProgress, PageSlot};

/// Bytes of a chunk.
const CHUNK_SIZE: usize = 64 * 1024;

/// Chunks that wait for a reader. A page thus takes some 400 KiB, however large it is.
const QUEUE_LENGTH: usize = 4;

/// The level with the best ratio of time to size for this text (see `benches/metrics.rs`).
const GZIP_LEVEL: u32 = 1;

/// A body for hyper.
#[derive(Debug)]
pub enum ResponseBody {
    /// A few bytes.
    Full(Bytes),
    /// A large page.
    Stream(mpsc::Receiver<Chunk>),
    /// Nothing, or nothing more.
    Done,
}

/// Part of a large page. If a stream ends without [`Chunk::End`], the page was aborted; the
/// connection is cut then, so that the client does not take the page for complete.
#[derive(Debug)]
pub enum Chunk {
    Data(Bytes),
    End,
}

/// A page was aborted: the reader was too slow, another client needed the slot, or writing failed.
#[derive(Debug, thiserror::Error)]
#[error("the page could not be sent whole")]
pub struct PageAborted;

impl From<String> for ResponseBody {
    fn from(text: String) -> Self {
        Self::Full(text.into())
    }
}

impl From<Vec<u8>> for ResponseBody {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Full(bytes.into())
    }
}

impl From<&'static str> for ResponseBody {
    fn from(text: &'static str) -> Self {
        Self::Full(Bytes::from_static(text.as_bytes()))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = PageAborted;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, PageAborted>>> {
        match &mut *self {
            Self::Done => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = mem::take(bytes);
                *self = Self::Done;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Self::Stream(chunks) => {
                let chunk = std::task::ready!(chunks.poll_recv(context));
                Poll::Ready(match chunk {
                    Some(Chunk::Data(bytes)) => Some(Ok(Frame::data(bytes))),
                    Some(Chunk::End) => {
                        *self = Self::Done;
                        None
                    }
                    None => {
                        *self = Self::Done;
                        Some(Err(PageAborted))
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

/// Runs `write`, which writes a page for `client`, on a thread that may block, apart from the
/// threads that probe. The slot is released when the page is written or aborted.
pub(super) fn stream_page(
    gzip: bool,
    encoding: &FairQueue,
    client: ClientKey,
    slot: PageSlot,
    write: impl FnOnce(&mut PageWriter) -> Result<(), PageAborted> + Send + 'static,
) -> ResponseBody {
    let (chunks, body) = mpsc::channel(QUEUE_LENGTH);
    let runtime = Handle::current();
    let encoding = encoding.clone();
    runtime.clone().spawn_blocking(move || {
        let compressor = gzip.then(|| GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL)));
        let mut sink = PageWriter {
            text: Vec::with_capacity(CHUNK_SIZE + CHUNK_SIZE / 8),
            compressor,
            chunks,
            runtime,
            encoding,
            client,
            page: Arc::clone(slot.page()),
            permit: None,
            deadline: Instant::now() + SEND_TIMEOUT,
        };
        // An aborted page needs no log line: the connection is cut, so that the client knows.
        let _ = sink
            .acquire_permit()
            .and_then(|()| write(&mut sink))
            .and_then(|()| sink.finish());
        drop(slot);
    });
    ResponseBody::Stream(body)
}

/// Writes a page to its client, compressed if the client accepts that.
pub struct PageWriter {
    text: Vec<u8>,
    compressor: Option<GzEncoder<Vec<u8>>>,
    chunks: mpsc::Sender<Chunk>,
    runtime: Handle,
    encoding: FairQueue,
    client: ClientKey,
    page: Arc<PageProgress>,
    /// Held while bytes are produced, not while the reader is waited for.
    permit: Option<Permit>,
    deadline: Instant,
}

impl PageWriter {
    fn push(&mut self, bytes: &[u8]) -> Result<(), PageAborted> {
        match *bytes {
            // Most writes of an exposition are single characters: pushing is cheaper than copying.
            [byte] => self.text.push(byte),
            [first, second] => self.text.extend_from_slice(&[first, second]),
            _ => self.text.extend_from_slice(bytes),
        }
        if self.text.len() >= CHUNK_SIZE {
            self.flush_chunk()?;
        }
        Ok(())
    }

    /// Waits until no other page is being produced.
    fn acquire_permit(&mut self) -> Result<(), PageAborted> {
        let permit = self.encoding.acquire(self.client);
        let permit = self.wait(permit)?.map_err(|_| PageAborted)?;
        self.permit = Some(permit);
        Ok(())
    }

    /// Waits for `future`, unless the page is aborted before.
    fn wait<F: Future>(&self, future: F) -> Result<F::Output, PageAborted> {
        self.runtime.block_on(async {
            tokio::select! {
                outcome = timeout_at(self.deadline, future) => outcome.map_err(|_| PageAborted),
                () = self.page.cancelled() => Err(PageAborted),
            }
        })
    }

    fn flush_chunk(&mut self) -> Result<(), PageAborted> {
        match &mut self.compressor {
            None => {
                let full = mem::replace(
                    &mut self.text,
                    Vec::with_capacity(CHUNK_SIZE + CHUNK_SIZE / 8),
                );
                self.send(Chunk::Data(full.into()))
            }
            Some(compressor) => {
                compressor.write_all(&self.text).map_err(|_| PageAborted)?;
                self.text.clear();
                if compressor.get_ref().len() < CHUNK_SIZE / 2 {
                    return Ok(());
                }
                let full = mem::replace(compressor.get_mut(), Vec::with_capacity(CHUNK_SIZE));
                self.send(Chunk::Data(full.into()))
            }
        }
    }

    fn send(&mut self, chunk: Chunk) -> Result<(), PageAborted> {
        match self.chunks.try_send(chunk) {
            Ok(()) => Ok(()),
            Err(TrySendError::Closed(_)) => Err(PageAborted),
            Err(TrySendError::Full(chunk)) => {
                self.permit = None;
                self.page.set_stalled(true);
                self.wait(self.chunks.send(chunk))?
                    .map_err(|_| PageAborted)?;
                self.page.set_stalled(false);
                self.acquire_permit()
            }
        }
    }

    fn finish(mut self) -> Result<(), PageAborted> {
        let rest = match self.compressor.take() {
            None => mem::take(&mut self.text),
            Some(mut compressor) => {
                compressor.write_all(&self.text).map_err(|_| PageAborted)?;
                compressor.finish().map_err(|_| PageAborted)?
            }
        };
        if !rest.is_empty() {
            self.send(Chunk::Data(rest.into()))?;
        }
        self.send(Chunk::End)
    }
}

impl fmt::Write for PageWriter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes()).map_err(|PageAborted| fmt::Error)
    }
}

impl io::Write for PageWriter {
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
    use crate::page_slots::PageSlots;

    async fn written(
        write: impl FnOnce(&mut PageWriter) -> Result<(), PageAborted> + Send + 'static,
    ) -> Result<Bytes, PageAborted> {
        let slot = Arc::new(PageSlots::new(1))
            .acquire(ClientKey::LOCAL)
            .unwrap();
        let body = stream_page(false, &FairQueue::new(1, 1), ClientKey::LOCAL, slot, write);
        body.collect().await.map(|whole| whole.to_bytes())
    }

    /// More than the queue between writer and reader holds.
    fn fill(sink: &mut PageWriter) -> Result<(), PageAborted> {
        for _ in 0..1000 {
            fmt::Write::write_str(sink, &"x".repeat(1000)).map_err(|_| PageAborted)?;
        }
        Ok(())
    }

    #[tokio::test]
    async fn a_page_arrives_completely_or_as_an_error() {
        assert_eq!(written(fill).await.unwrap().len(), 1_000_000);
        assert_eq!(written(|_| Ok(())).await.unwrap(), "");
        let aborted = written(|sink| {
            sink.push(b"half a page")?;
            Err(PageAborted)
        });
        assert!(aborted.await.is_err());
        assert!(written(|_| panic!("a writer that dies")).await.is_err());
    }

    #[tokio::test]
    async fn a_slot_is_free_again_when_its_page_is_written() {
        let (queue, slots) = (FairQueue::new(1, 1), Arc::new(PageSlots::new(1)));
        let slot = slots.acquire(ClientKey::LOCAL).unwrap();
        let body = stream_page(true, &queue, ClientKey::LOCAL, slot, |sink| {
            sink.push(b"page")
        });
        body.collect().await.unwrap();
        // The writer ends shortly after its last chunk was read.
        tokio::time::timeout(SEND_TIMEOUT, async {
            while slots.acquire(ClientKey::LOCAL).is_none() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
        assert_eq!(queue.free(), 1);
    }

    #[tokio::test]
    async fn a_page_is_aborted_when_its_slot_goes_to_another_client() {
        let (queue, slots) = (FairQueue::new(1, 1), Arc::new(PageSlots::new(2)));
        let mut bodies = Vec::new();
        for _ in 0..2 {
            let slot = slots.acquire(ClientKey::LOCAL).unwrap();
            bodies.push(stream_page(false, &queue, ClientKey::LOCAL, slot, fill));
        }
        let other = std::net::IpAddr::from([127, 0, 0, 2]).into();
        let slot = slots.acquire(other).unwrap();
        let page = stream_page(false, &queue, other, slot, |sink| sink.push(b"page"));
        assert_eq!(page.collect().await.unwrap().to_bytes(), "page");
        let mut aborted = 0;
        for body in bodies {
            aborted += usize::from(body.collect().await.is_err());
        }
        assert_eq!(aborted, 1);
    }
}
