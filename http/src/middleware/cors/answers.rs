//! What pages of other origins are told.

use super::rules::{ALLOW_CREDENTIALS, ALLOW_ORIGIN, CorsNames, CorsRules, Origins};
use crate::ctx::{RequestCtx, Standing};
use crate::util::token;

impl Standing for CorsRules {
    fn apply(&self, ctx: &mut RequestCtx) {
        let allowed = self.allows(ctx);
        let RequestCtx { request, response, .. } = ctx;
        response.headers_mut().remove_ready(&self.lines.names);
        if let Origins::Any = self.origins {
            // The same for all.
            return response.headers_mut().add_missing(&self.lines.to_any);
        }
        if response.headers().contains("Vary") {
            response.vary_by("Origin");
        } else {
            response.headers_mut().add_missing(&self.lines.vary);
        }
        if let Some(origin) = request.header("Origin").filter(|_| allowed) {
            response.headers_mut().set_known(ALLOW_ORIGIN, origin);
            response.headers_mut().add_missing(&self.lines.to_allowed);
        }
    }
}

impl CorsRules {
    /// Whether the origin that the request names may read the response.
    fn allows(&self, ctx: &RequestCtx) -> bool {
        let mut named = ctx.request.headers().get_all("Origin");
        let origin = named.next().filter(|_| named.next().is_none());
        match (&self.origins, origin) {
            // The same for all, so that caches need not tell them apart.
            (Origins::Any, _) => true,
            (_, None) => false,
            (Origins::Listed(list), Some(origin)) => list.iter().any(|known| known.as_bytes() == origin),
            (Origins::Judged(judge), Some(origin)) => std::str::from_utf8(origin).is_ok_and(judge),
        }
    }

    /// Says whether it may.
    fn tell_origin(&self, ctx: &mut RequestCtx, allowed: bool) {
        let RequestCtx { request, response, .. } = ctx;
        if matches!(self.origins, Origins::Any) {
            return response.headers_mut().set_known(ALLOW_ORIGIN, b"*");
        }
        response.vary_by("Origin");
        if let Some(origin) = request.header("Origin").filter(|_| allowed) {
            response.headers_mut().set_known(ALLOW_ORIGIN, origin);
            if self.credentials {
                response.headers_mut().set_known(ALLOW_CREDENTIALS, b"true");
            }
        }
    }

    /// Answers what a browser asks before it sends the request of a page.
    pub(super) fn answer_preflight(&self, ctx: &mut RequestCtx) {
        let fields = ctx.request.headers();
        let method = fields.get("Access-Control-Request-Method").unwrap_or_default().to_vec();
        let lines: Vec<&[u8]> = fields.get_all("Access-Control-Request-Headers").collect();
        let headers = lines.join(&b","[..]);
        let asks_private = fields.get("Access-Control-Request-Private-Network") == Some(&b"true"[..]);
        let allowed = self.allows(ctx);
        let fault = if !allowed {
            Some("this origin may not read what is here".to_owned())
        } else if asks_private && !self.private_network {
            Some("public pages may not ask this private network".to_owned())
        } else {
            self.fault_of(&method, &headers)
        };
        match fault {
            Some(fault) => ctx.error(fault, 403),
            None => {
                ctx.response.set_status_code(204);
                let response = ctx.response.headers_mut();
                response.set_known("Access-Control-Allow-Methods", &method);
                if !headers.is_empty() {
                    response.set_known("Access-Control-Allow-Headers", &headers);
                }
                if asks_private {
                    response.set_known("Access-Control-Allow-Private-Network", b"true");
                }
                if let Some(age) = self.max_age {
                    response.set_known("Access-Control-Max-Age", age.as_secs().to_string().as_bytes());
                }
            }
        }
        self.tell_origin(ctx, allowed);
        // Some caches keep answers to `OPTIONS`.
        ctx.response.vary_by("Access-Control-Request-Method");
        ctx.response.vary_by("Access-Control-Request-Headers");
        if self.private_network {
            ctx.response.vary_by("Access-Control-Request-Private-Network");
        }
    }

    /// What of a request that its page announces is not allowed.
    fn fault_of(&self, method: &[u8], headers: &[u8]) -> Option<String> {
        let is_usual = matches!(method, b"GET" | b"HEAD" | b"POST");
        if !token::is_token(method) || !is_usual && !self.methods.has(method, <[u8]>::eq) {
            return Some(format!("the method {} is not allowed to other origins", method.escape_ascii()));
        }
        let is_refused =
            |name: &&[u8]| !token::is_token(name) || !self.headers.has(name, <[u8]>::eq_ignore_ascii_case);
        let refused = token::list(headers).find(is_refused)?;
        Some(format!("the field {} is not allowed to other origins", refused.escape_ascii()))
    }
}

impl CorsNames {
    fn has(&self, name: &[u8], is_same: impl Fn(&[u8], &[u8]) -> bool) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(list) => list.iter().any(|known| is_same(known.as_bytes(), name)),
        }
    }
}
