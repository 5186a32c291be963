//! What goes along with a request because of where it goes: cookies from a jar, credentials from a `.netrc`.
//!
//! The rule: they are chosen anew for each URL that a call comes to, and are no part of the request that goes on from
//! there. What the user has said himself stays. Credentials are for the host that the user has named, and for no other
//! that a server has.

#[cfg(feature = "cookies")]
use super::cookie_jar::CookieJar;
use super::netrc::Netrc;
use super::response::ClientResponse;
use crate::message::request::Request;
use crate::values::headers::Headers;
use crate::values::uri::Uri;
#[cfg(feature = "cookies")]
use std::time::SystemTime;

/// Where they are from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Companions {
    #[cfg(feature = "cookies")]
    pub(crate) jar: Option<CookieJar>,
    pub(crate) netrc: Option<Netrc>,
}

impl Companions {
    /// The fields that a request for `uri` has beside its own. `named`: the host that the call is for.
    pub(crate) fn fields(&self, uri: &Uri, named: &[u8], request: &Request) -> Headers {
        let mut fields = Headers::new();
        let is_named = uri.hostname().eq_ignore_ascii_case(named);
        if is_named && !request.headers().contains("Authorization") {
            if let Some(credentials) = self.netrc.as_ref().and_then(|netrc| netrc.credentials(uri.hostname()))
            {
                fields.set("Authorization", credentials);
            }
        }
        #[cfg(feature = "cookies")]
        if !request.headers().contains("Cookie") {
            if let Some(cookies) = self.jar.as_ref().and_then(|jar| jar.header(uri)) {
                fields.set("Cookie", cookies);
            }
        }
        fields
    }

    /// The request in the place of `request`, which has cookies of its own, if there are others beside.
    pub(crate) fn in_place_of(&self, request: &Request, uri: &Uri) -> Option<Request> {
        #[cfg(feature = "cookies")]
        {
            let own: Vec<&[u8]> = request.headers().get_all("Cookie").collect();
            let jar = self.jar.as_ref().filter(|_| !own.is_empty())?;
            let cookies = jar.header_beside(uri, &own, SystemTime::now())?;
            let mut replaced = request.clone();
            replaced.set_header("Cookie", cookies);
            Some(replaced)
        }
        #[cfg(not(feature = "cookies"))]
        {
            let _ = (request, uri);
            None
        }
    }

    /// Keeps what a response to a request for `uri` says.
    pub(crate) fn take(&self, uri: &Uri, response: &ClientResponse) {
        #[cfg(feature = "cookies")]
        if let Some(jar) = &self.jar {
            jar.take(uri, response.headers(), SystemTime::now());
        }
        #[cfg(not(feature = "cookies"))]
        let _ = (uri, response);
    }
}
