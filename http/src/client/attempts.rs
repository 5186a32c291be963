//! One call of a client of one host: attempts, until one succeeds or there is to be no other.
//!
//! The rule: an attempt that failed has nothing under way any more when the next begins, or the call returns.

use super::arriving::BodyArrival;
use super::body::SendBody;
use super::call::{BodyExpectation, CallOptions};
use super::conn::{Allowed, Terms};
use super::error::{ClientError, ClientErrorKind, ClientPhase};
use super::exchange::{Call, check};
use super::host::SharedHost;
use super::patience::CallPatience;
use super::response::ClientResponse;
use super::retry::{FailedAttempt, is_idempotent};
use super::settings::{ClientTimeouts, HostSettings, ResponseLimits};
use super::stock::HeldPlace;
use crate::message::request::Request;
use crate::proto::is_continue;
use crate::values::headers::{Fields, Headers};
use crate::values::version::Version;
use std::io;
use std::time::Duration;

/// How long a server has to ask for a body if nobody said how long.
const CONTINUE_WAIT: Duration = Duration::from_secs(1);

/// What came of an attempt.
struct TriedCall {
    outcome: Result<ClientResponse, ClientError>,
    /// Whether another can do no harm.
    is_safe: bool,
    was_reused: bool,
    /// Whether the server was to ask for the body.
    has_expected: bool,
    /// That of the connection that failed.
    place: Option<HeldPlace>,
}

impl TriedCall {
    /// It came to no connection.
    fn without_conn(error: ClientError) -> Self {
        Self { outcome: Err(error), is_safe: true, was_reused: false, has_expected: false, place: None }
    }
}

impl SharedHost {
    /// Carries a call out. What it is to do may change on the way: what was found out is remembered there.
    pub(super) fn run(
        &self,
        request: &Request,
        options: &mut CallOptions<'_>,
        patience: &CallPatience,
    ) -> Result<ClientResponse, ClientError> {
        check(request, options.body.as_ref(), self.settings.tls.is_some())?;
        let mut number = 1;
        let mut held = None;
        loop {
            let tried = self.attempt(request, options, held.take(), patience);
            let TriedCall { outcome, is_safe, was_reused, has_expected, place } = tried;
            if patience.is_cancelled() {
                return Err(ClientError::new(ClientErrorKind::Cancelled));
            }
            if !options.can_send_body() {
                return outcome;
            }
            if has_expected && outcome.as_ref().is_ok_and(|response| response.status_code() == 417) {
                // RFC 9110 section 15.5.18: once more, and without it.
                options.expects = BodyExpectation::No;
                continue;
            }
            if outcome
                .as_ref()
                .is_ok_and(|response| !self.settings.retry.statuses.contains(&response.status_code()))
            {
                return outcome;
            }
            let failed = FailedAttempt { request, number, outcome: outcome.as_ref(), is_safe, was_reused };
            match self.settings.retry.pause_after(&failed) {
                Some(pause) if patience.until().left().is_none_or(|left| pause < left) => {
                    log::debug!("a request is sent again after attempt {number}, in {pause:?}");
                    // A connection is not held meanwhile, nor is a place; without a pause nobody gets in between.
                    if let Ok(response) = outcome {
                        response.pass_over();
                    }
                    held = place.filter(|_| pause.is_zero());
                    patience.pause(pause);
                }
                _ => return outcome,
            }
            number += 1;
        }
    }

    fn attempt(
        &self,
        request: &Request,
        options: &mut CallOptions<'_>,
        held: Option<HeldPlace>,
        patience: &CallPatience,
    ) -> TriedCall {
        let expects = continue_wait(request, options);
        if let (Some(body), None) = (&mut options.body, expects) {
            if let Err(error) = begin_body(body, options.is_passed_on, patience) {
                return TriedCall::without_conn(error);
            }
        }
        let mut leased = match self.lease(held, patience) {
            Ok(leased) => leased,
            Err(error) => return TriedCall::without_conn(error),
        };
        let here = leased.conn.ends_with(patience);
        let allowed = self.allowed(patience);
        let terms = Terms {
            limits: &self.limits,
            allowed,
            on_informational: options.on_informational.as_mut(),
            is_continued: false,
            sends_behind: options.is_passed_on && options.body.is_some(),
        };
        let (defaults, decodes) = match options.is_passed_on {
            true => (Fields::new(b"", &[]), false),
            false => self.defaults(request, options.is_elsewhere),
        };
        let with_added = with_added(defaults, &options.added);
        let defaults = with_added.as_ref().map_or(defaults, Headers::fields);
        let (host, body) = (self.host(), options.body.as_mut());
        let mut call = Call { request, body, host, defaults, expects, terms };
        // Whoever calls off from here on ends the connection.
        let run = match patience.is_cancelled() {
            true => Err(ClientError::new(ClientErrorKind::Cancelled)),
            false => call.run(&mut leased.conn),
        };
        let is_idempotent = is_idempotent(request.method());
        let (was_reused, has_expected) = (leased.conn.requests > 1, expects.is_some());
        match run {
            Ok(unsent) => {
                let ResponseLimits { body_bytes: max, ratio: ratio_max, .. } = self.settings.limits;
                let (limits, patience) = (self.limits, patience.clone());
                let arrival = BodyArrival { limits, max, ratio_max, allowed, patience, here, unsent };
                let outcome =
                    Ok(ClientResponse::new(leased, arrival, decodes, std::mem::take(&mut options.spare)));
                TriedCall { outcome, is_safe: is_idempotent, was_reused, has_expected, place: None }
            }
            Err(error) => {
                let conn = &leased.conn;
                let is_safe = conn.passed.received == 0 && (is_idempotent || conn.passed.sent == 0);
                drop(here);
                let place = Some(leased.close());
                TriedCall { outcome: Err(error), is_safe, was_reused, has_expected, place }
            }
        }
    }

    /// The fields that a request has if it does not have them itself, and whether the coding of the response is undone.
    pub(super) fn defaults(&self, request: &Request, is_elsewhere: bool) -> (Fields<'_>, bool) {
        let decodes = self.decodes(request);
        (self.settings.fields.of(decodes, is_elsewhere), decodes)
    }

    /// Whether codings of the response are undone: not if the request speaks of them itself, or asks for a part, which
    /// is one of the coded content.
    fn decodes(&self, request: &Request) -> bool {
        let HostSettings { decompresses, fields, .. } = &self.settings;
        *decompresses
            && !fields.speak_of_codings()
            && !request.headers().contains("Accept-Encoding")
            && !request.headers().contains("Range")
    }

    fn allowed(&self, patience: &CallPatience) -> Allowed {
        let ClientTimeouts { read, write, .. } = self.settings.timeouts;
        Allowed { until: patience.until(), read, write }
    }
}

/// The fields of all requests with those of this call, if there are any.
fn with_added(defaults: Fields<'_>, added: &Headers) -> Option<Headers> {
    if added.is_empty() {
        return None;
    }
    let mut with = Headers::new();
    with.copy_from(defaults);
    added.iter().for_each(|(name, value)| with.set(name, value));
    Some(with)
}

/// Reads the first piece of a reader's body, which may take any time: what comes on a connection meanwhile would be no
/// response to this. Of a call that is over already nothing is read. One that `is_passed_on` and has nothing yet may be
/// answered before it has, so its head is not to wait for it.
fn begin_body(
    body: &mut SendBody<'_>,
    is_passed_on: bool,
    patience: &CallPatience,
) -> Result<(), ClientError> {
    if !patience.is_over() {
        match body.begin() {
            Err(error) if is_passed_on && error.kind() == io::ErrorKind::WouldBlock => {}
            begun => begun.map_err(|error| {
                body.end();
                ClientError::because(ClientErrorKind::RequestBody, error)
            })?,
        }
    }
    match patience.is_over() {
        true => Err(ClientError::new(ClientErrorKind::Timeout(ClientPhase::RequestBody))),
        false => Ok(()),
    }
}

/// How long the body waits for the server to ask for it; `None`: not at all. Where there is none, and by HTTP/1.0,
/// nothing is expected (RFC 9110 section 10.1.1).
fn continue_wait(request: &Request, options: &CallOptions<'_>) -> Option<Duration> {
    let length = options.body.as_ref().map_or(Some(request.body().len() as u64), SendBody::length);
    if length == Some(0) || request.version() != Version::Http11 {
        return None;
    }
    match options.expects {
        BodyExpectation::No => None,
        BodyExpectation::For(wait) => Some(wait),
        BodyExpectation::AsTheRequestSays => {
            request.headers().get_all("Expect").any(is_continue).then_some(CONTINUE_WAIT)
        }
    }
}
