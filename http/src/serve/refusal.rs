//! Which connections are not even served, and what they are told.

use crate::ctx::{ConnInfo, CtxOptions, RequestCtx};
use crate::proto::{Defaults, ServerSession, append_refusal};
use crate::stop::StopSignal;
use crate::wire::output::Output;
use std::sync::Arc;

/// Which limit a connection was refused by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Concurrency,
    PerAddress,
}

impl Refusal {
    /// The status that it is answered with.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Concurrency => 503,
            Self::PerAddress => 429,
        }
    }

    /// The body of the answer, fasthttp's.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Concurrency => "The connection cannot be served because Server.Concurrency limit exceeded",
            Self::PerAddress => "The number of connections from your ip exceeds MaxConnsPerIP",
        }
    }

    /// Appends what the client of the connection is told.
    pub(crate) fn append_answer(
        self,
        info: &ConnInfo,
        (options, stop): (&Arc<CtxOptions>, &StopSignal),
        output: &mut Output,
        defaults: &Defaults<'_>,
    ) {
        if options.error_body.is_none() {
            append_refusal(output.buffer_mut(), self.status(), self.text(), false, defaults);
            return;
        }
        let mut ctx = RequestCtx::new();
        ctx.set_conn(info.facts());
        ctx.prepare(None, options, stop);
        ctx.answer_busy(self.text(), self.status());
        let mut session = ServerSession::new(info.id());
        session.take_for_refused(ctx.request.input());
        ctx.response.respond(&mut session, &ctx.request, output, defaults, true);
    }
}
