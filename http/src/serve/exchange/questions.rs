//! What drivers ask of a conversation between two of its steps. The rule: a question changes nothing.

use super::{ConnStage, Exchange, Expects};
use crate::proto::RequestStage;
use crate::serve::service::Service;
use crate::wire::input::Input;

impl Exchange {
    /// Whether it is requests that come next, not the rest of a response or the end of the connection.
    pub(crate) fn takes_requests(&self) -> bool {
        self.outgoing.is_none() && matches!(self.stage, ConnStage::Serving)
    }

    /// Whether a streamed response is under way.
    pub(crate) fn is_answering(&self) -> bool {
        self.outgoing.is_some()
    }

    /// Whether the workspace holds a request, or a head on which hooks have to decide.
    pub(crate) fn holds_request(&self) -> bool {
        self.session.holds_request()
    }

    /// Whether hooks have decided on the request under way.
    pub(crate) fn is_decided(&self) -> bool {
        self.is_accepted
    }

    /// What comes of the connection.
    pub(crate) fn stage(&self) -> ConnStage {
        self.stage
    }

    /// What the connection expects of its peer, when it is served no further without it.
    pub(crate) fn expects(&self) -> Expects {
        let requests = self.session.requests() as u32;
        match self.session.state() {
            RequestStage::Idle if self.session.requests() == 0 => Expects::FirstRequest,
            RequestStage::Idle => Expects::NextRequest(requests),
            RequestStage::Head => Expects::Head(requests),
            RequestStage::Body | RequestStage::Ready if self.session.is_draining() => {
                Expects::UnreadBody(requests)
            }
            RequestStage::Body | RequestStage::Ready if self.is_accepted => Expects::AcceptedBody(requests),
            RequestStage::Body | RequestStage::Ready => Expects::Body(requests),
        }
    }

    /// Whether a peer that was waited for in vain is left without a word: nothing of a request came that could be
    /// answered.
    pub(crate) fn ends_in_silence(&self, service: &Service) -> bool {
        match self.expects() {
            Expects::NextRequest(_) => true,
            Expects::FirstRequest => !service.settings.connections.answers_silence,
            _ => false,
        }
    }

    /// Whether nobody would miss what the peer has not sent yet: the connection is between two requests, or only the
    /// rest of a body is missing that nobody wants.
    pub(crate) fn may_end_here(&self) -> bool {
        self.session.is_idle() || self.session.is_draining()
    }

    /// Whether the peer may be sending what nobody will read, so that closing at once would cut off what it has not
    /// received yet.
    pub(crate) fn may_be_sending(&self, input: &Input) -> bool {
        self.stage == ConnStage::ClosingMidRequest || !input.is_empty()
    }

    /// Whether the peer has said that it sends nothing more.
    pub(crate) fn peer_is_done(&self) -> bool {
        self.session.peer_is_done()
    }

    /// Whether something may be different for the request under way.
    pub(crate) fn has_own_config(&self) -> bool {
        self.apart.is_some()
    }
}
