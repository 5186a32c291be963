//! Signed and encrypted cookies of a request and its response.
//!
//! The rule: a cookie that is not ours is none. Of several with one name, which a page of a neighbouring host may have
//! planted, the first that is ours counts.

use super::error::SealError;
use super::key::CookieKey;
use crate::ctx::RequestCtx;
use crate::values::cookie::Cookie;
use std::time::SystemTime;

/// Cookies that only this server can have made (feature `sessions`).
///
/// They protect from values that a client has made up, under another name too, and from those that have run out. They
/// do not protect from being copied: whoever has the cookie is whom it names, until it runs out. What must end sooner
/// is a [session](crate::middleware::sessions()).
impl RequestCtx {
    /// The value of the cookie called `name` if it was [signed](Self::set_signed_cookie) with `key` or one that it
    /// accepts, and has not run out.
    ///
    /// ```
    /// use anthill_http::middleware::CookieKey;
    /// use anthill_http::{Cookie, Request, RequestCtx};
    /// use std::time::Duration;
    ///
    /// let key = CookieKey::generate()?;
    /// let mut ctx = RequestCtx::default();
    /// let mut cookie = Cookie::new("user", "ann");
    /// cookie.set_max_age(Duration::from_secs(3600)).set_path("/").set_http_only(true);
    /// ctx.set_signed_cookie(&key, &cookie)?;
    ///
    /// let sent = ctx.response.cookie("user").expect("it is set")?;
    /// let mut request = Request::new("GET", "/")?;
    /// request.set_cookie("user", sent.value());
    /// let next = RequestCtx::for_request(request, None);
    /// assert_eq!(next.signed_cookie_str(&key, "user").as_deref(), Some("ann"));
    /// assert_eq!(next.signed_cookie_str(&CookieKey::generate()?, "user"), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn signed_cookie(&self, key: &CookieKey, name: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        let name = name.as_ref();
        self.request.cookies().get_all(name).find_map(|text| key.verify(name, text, self.time()))
    }

    /// As [`signed_cookie`](Self::signed_cookie), if it is UTF-8.
    pub fn signed_cookie_str(&self, key: &CookieKey, name: impl AsRef<[u8]>) -> Option<String> {
        String::from_utf8(self.signed_cookie(key, name)?).ok()
    }

    /// Sets a cookie whose value everybody can read, and nobody else can have made. If it has an age or a date it
    /// counts no longer than that, whatever the client does. ([`CookieKey::sign`] takes values with any bytes.)
    ///
    /// # Errors
    /// When browsers would not keep it.
    pub fn set_signed_cookie(&mut self, key: &CookieKey, cookie: &Cookie) -> Result<(), SealError> {
        let text = key.sign(cookie.name(), cookie.value(), self.end_of(cookie));
        self.set_sealed(cookie, text)
    }

    /// The value of the cookie called `name` if it was [encrypted](Self::set_private_cookie) with `key` or one that it
    /// accepts, and has not run out.
    pub fn private_cookie(&self, key: &CookieKey, name: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        let name = name.as_ref();
        self.request.cookies().get_all(name).find_map(|text| key.decrypt(name, text, self.time()))
    }

    /// As [`private_cookie`](Self::private_cookie), if it is UTF-8.
    pub fn private_cookie_str(&self, key: &CookieKey, name: impl AsRef<[u8]>) -> Option<String> {
        String::from_utf8(self.private_cookie(key, name)?).ok()
    }

    /// Sets a cookie whose value nobody else can read, or have made; otherwise as
    /// [`set_signed_cookie`](Self::set_signed_cookie).
    ///
    /// # Errors
    /// When browsers would not keep it, and when the system gives no random bytes.
    pub fn set_private_cookie(&mut self, key: &CookieKey, cookie: &Cookie) -> Result<(), SealError> {
        let text = key.encrypt(cookie.name(), cookie.value(), self.end_of(cookie))?;
        self.set_sealed(cookie, text)
    }

    fn set_sealed(&mut self, cookie: &Cookie, text: String) -> Result<(), SealError> {
        let mut sealed = cookie.clone();
        sealed.set_value(text).validate()?;
        self.response.set_cookie(&sealed);
        Ok(())
    }

    /// Until when the client is to keep it.
    fn end_of(&self, cookie: &Cookie) -> Option<SystemTime> {
        match cookie.max_age() {
            Some(age) => self.time().checked_add(age),
            None => cookie.expires(),
        }
    }
}
