//! Which requests are admitted, in the order of the checks.

use hyper::body::Body;
use hyper::{Method, Request};
use tokio::time::Instant;

use crate::access::Access;
use crate::auth::Admission;
use crate::client::ClientKey;
use crate::response::Answer;
use crate::{Service, origin, response};

/// Answers one request of `client`: within its rate, if it has shown a password where one is asked
/// for. The headers of the web configuration are on every answer, refusals included.
pub(crate) async fn guarded<B: Body, S: Service>(
    access: &Access,
    service: &S,
    client: ClientKey,
    request: &Request<B>,
) -> Answer {
    let mut answer = admitted(access, service, client, request).await;
    answer.headers_mut().extend(access.headers.clone());
    answer
}

async fn admitted<B: Body, S: Service>(
    access: &Access,
    service: &S,
    client: ClientKey,
    request: &Request<B>,
) -> Answer {
    if let Some(limit) = &access.rate_limit
        && let Err(wait) = limit.take(client, Instant::now())
    {
        return response::too_many_requests(wait);
    }
    if let Some(users) = &access.users {
        match users.admit(request.headers(), client).await {
            Admission::Admitted => {}
            Admission::Refused => return response::unauthorized(),
            Admission::Busy => return response::busy(),
        }
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads || service.is_confidential(request.uri().path()) {
        let guarded = access.tls.is_some() || access.users.is_some();
        if let Err(why) = origin::check(request, guarded) {
            return response::forbidden(why);
        }
    }
    if !request.body().is_end_stream() {
        return response::body_refused();
    }
    service.answer(client, &without_body(request)).await
}

fn without_body<B>(request: &Request<B>) -> Request<()> {
    let mut bare = Request::new(());
    *bare.method_mut() = request.method().clone();
    *bare.uri_mut() = request.uri().clone();
    *bare.version_mut() = request.version();
    *bare.headers_mut() = request.headers().clone();
    bare
}
