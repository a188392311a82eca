//! Large pages: limited in number, streamed, and produced one at a time.

use std::sync::Arc;

use hyper::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, VARY,
};
use hyper::{Response, StatusCode};
use tokio::sync::oneshot;

use crate::body::{self, PageAborted, PageWriter, ResponseBody};
use crate::client::ClientKey;
use crate::fair_queue::FairQueue;
use crate::negotiation::accepts_gzip;
use crate::page_slots::PageSlots;
use crate::response::{HttpResponse, text};

/// The header fields of a request that pages depend on.
const VARIES: HeaderValue = HeaderValue::from_static("Accept, Accept-Encoding");

/// The parts of a request that a page depends on.
#[derive(Debug, Clone, Copy)]
pub struct PageRequest<'a> {
    /// The client that sent the request.
    pub client: ClientKey,
    /// The headers of the request.
    pub headers: &'a HeaderMap,
    /// Whether the method is HEAD, which asks for the headers only.
    pub is_head: bool,
}

impl PageRequest<'_> {
    /// Returns a header that may have several lines. Lines that are not ASCII are left out.
    pub fn joined(&self, name: &HeaderName) -> String {
        let lines: Vec<&str> = self
            .headers
            .get_all(name)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .collect();
        lines.join(",")
    }
}

/// Sends large pages. All pages together use at most one core, so that probes keep the others.
/// Clients are served in rotation, however many pages each asks for.
#[derive(Debug)]
pub struct Pages {
    slots: Arc<PageSlots>,
    /// One permit: its holder produces bytes.
    encoding: FairQueue,
}

impl Pages {
    /// Allows at most `max_requests` pages at a time (`--web.max-requests`); 0 is no limit.
    pub fn new(max_requests: usize) -> Self {
        Self {
            slots: Arc::new(PageSlots::new(max_requests)),
            // The slots limit how many pages wait.
            encoding: FairQueue::new(1, usize::MAX),
        }
    }

    /// Answers with a page that `write` produces on a dedicated thread.
    pub fn stream(
        &self,
        request: PageRequest<'_>,
        content_type: HeaderValue,
        write: impl FnOnce(&mut PageWriter) -> Result<(), PageAborted> + Send + 'static,
    ) -> HttpResponse {
        let Some(slot) = self.slots.acquire(request.client) else {
            return self.refused();
        };
        let gzip = accepts_gzip(&request.joined(&ACCEPT_ENCODING));
        let body = match request.is_head {
            true => ResponseBody::Done,
            false => body::stream_page(gzip, &self.encoding, request.client, slot, write),
        };
        page(content_type, gzip, body)
    }

    /// Answers with a page of which it takes time to find out the header. `prepare` runs on the
    /// thread of the page, in its turn. HEAD prepares the page and does not write it.
    pub async fn stream_prepared<W>(
        &self,
        request: PageRequest<'_>,
        content_type: HeaderValue,
        prepare: impl FnOnce() -> PreparedPage<W> + Send + 'static,
    ) -> HttpResponse
    where
        W: FnOnce(&mut PageWriter) -> Result<(), PageAborted>,
    {
        let Some(slot) = self.slots.acquire(request.client) else {
            return self.refused();
        };
        let gzip = accepts_gzip(&request.joined(&ACCEPT_ENCODING));
        let is_head = request.is_head;
        let (prepared, head) = oneshot::channel();
        let write = move |sink: &mut PageWriter| {
            let page = prepare();
            // The request may have ended meanwhile, and its page is aborted then.
            let head = (page.write.is_some(), page.fields);
            prepared.send(head).map_err(|_| PageAborted)?;
            match page.write.filter(|_| !is_head) {
                Some(write) => write(sink),
                None => Ok(()),
            }
        };
        let body = body::stream_page(gzip, &self.encoding, request.client, slot, write);
        let Ok((is_new, fields)) = head.await else {
            return self.refused();
        };
        let mut answer = match is_new {
            true if is_head => page(content_type, gzip, ResponseBody::Done),
            true => page(content_type, gzip, body),
            false => not_modified(),
        };
        answer.headers_mut().extend(fields);
        answer
    }

    /// Returns 503: too many pages are being sent.
    fn refused(&self) -> HttpResponse {
        text(
            StatusCode::SERVICE_UNAVAILABLE,
            format!(
                "Limit of concurrent requests reached ({}), try again later.\n",
                self.slots.limit()
            ),
        )
    }
}

/// What is known of a page before it is written.
#[derive(Debug)]
pub struct PreparedPage<W> {
    /// Header fields beside those of every page.
    pub fields: HeaderMap,
    /// Writes the page; `None` if the client has it already.
    pub write: Option<W>,
}

/// Returns 304: the client has the page (RFC 9110, section 15.4.5).
fn not_modified() -> HttpResponse {
    let mut answer = Response::new(ResponseBody::Done);
    *answer.status_mut() = StatusCode::NOT_MODIFIED;
    answer.headers_mut().insert(VARY, VARIES);
    answer
}

/// Returns the response of a page.
fn page(content_type: HeaderValue, gzip: bool, body: ResponseBody) -> HttpResponse {
    let mut answer = Response::new(body);
    let fields = answer.headers_mut();
    fields.insert(CONTENT_TYPE, content_type);
    fields.insert(VARY, VARIES);
    if gzip {
        fields.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    answer
}
