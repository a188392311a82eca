//! Decides which requests reach the service, in the order of the checks.

use hyper::body::Body;
use hyper::{Method, Request};
use tokio::time::Instant;

use crate::access::AccessPolicy;
use crate::auth::AuthOutcome;
use crate::client::ClientKey;
use crate::response::HttpResponse;
use crate::{Service, origin, response};

/// Answers one request of `client`. The request must be within the client's rate, and have a
/// correct password if one is configured. Every response, refusals included, forbids browsers to
/// run or load anything unless the service allows it, and has the headers of the web configuration,
/// which come before all others.
pub(crate) async fn respond<B: Body, S: Service>(
    access: &AccessPolicy,
    service: &S,
    client: ClientKey,
    request: &Request<B>,
) -> HttpResponse {
    let mut answer = admit_and_respond(access, service, client, request).await;
    response::protect(answer.headers_mut());
    answer.headers_mut().extend(access.headers.clone());
    answer
}

async fn admit_and_respond<B: Body, S: Service>(
    access: &AccessPolicy,
    service: &S,
    client: ClientKey,
    request: &Request<B>,
) -> HttpResponse {
    if let Some(limit) = &access.rate_limit
        && let Err(wait) = limit.take(client, Instant::now())
    {
        return response::too_many_requests(wait);
    }
    if let Some(users) = &access.users {
        match users.authenticate(request.headers(), client).await {
            AuthOutcome::Accepted => {}
            AuthOutcome::Rejected => return response::unauthorized(),
            AuthOutcome::Busy => return response::busy(),
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
    service.respond(client, &without_body(request)).await
}

fn without_body<B>(request: &Request<B>) -> Request<()> {
    let mut bare = Request::new(());
    *bare.method_mut() = request.method().clone();
    *bare.uri_mut() = request.uri().clone();
    *bare.version_mut() = request.version();
    *bare.headers_mut() = request.headers().clone();
    bare
}
