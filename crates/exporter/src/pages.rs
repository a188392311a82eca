//! Large pages: counted, streamed, made in turns.

use std::sync::Arc;

use hyper::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, VARY,
};
use hyper::{Response, StatusCode};

use crate::body::{self, ResponseBody, Sink, Torn};
use crate::client::ClientKey;
use crate::negotiation::accepts_gzip;
use crate::response::{Answer, text};
use crate::slots::Slots;
use crate::turns::Turns;

/// What a page needs to know of the request for it.
#[derive(Debug, Clone, Copy)]
pub struct PageRequest<'a> {
    /// The client that asks.
    pub client: ClientKey,
    /// The headers of its request.
    pub headers: &'a HeaderMap,
    /// The method is HEAD: the headers only.
    pub head: bool,
}

impl PageRequest<'_> {
    /// Returns a header that may come in several lines. What is not ASCII is left out.
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

/// Makes large pages. All of them together cost at most one core, so that probes keep the others;
/// clients take turns, whatever number of pages each asks for.
#[derive(Debug)]
pub struct Pages {
    slots: Arc<Slots>,
    /// Held while a page is turned into bytes.
    encoding: Turns,
}

impl Pages {
    /// Makes at most `max_requests` pages at a time (`--web.max-requests`); 0 is no limit.
    pub fn new(max_requests: usize) -> Self {
        Self {
            slots: Arc::new(Slots::new(max_requests)),
            // The slots bound how many pages wait.
            encoding: Turns::new(1, usize::MAX),
        }
    }

    /// Answers with a page that `write` makes on a thread of its own.
    pub fn stream(
        &self,
        request: PageRequest<'_>,
        content_type: HeaderValue,
        write: impl FnOnce(&mut Sink) -> Result<(), Torn> + Send + 'static,
    ) -> Answer {
        let Some(slot) = self.slots.take(request.client) else {
            return text(
                StatusCode::SERVICE_UNAVAILABLE,
                format!(
                    "Limit of concurrent requests reached ({}), try again later.\n",
                    self.slots.limit()
                ),
            );
        };
        let gzip = accepts_gzip(&request.joined(&ACCEPT_ENCODING));
        let body = match request.head {
            true => ResponseBody::Done,
            false => body::stream(gzip, &self.encoding, request.client, slot, write),
        };
        let mut answer = Response::new(body);
        let fields = answer.headers_mut();
        fields.insert(CONTENT_TYPE, content_type);
        fields.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
        if gzip {
            fields.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        answer
    }
}
