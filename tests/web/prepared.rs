//! Fields that are laid out beforehand and copied as a piece: what is sent is what is sent where each is looked for and
//! added by itself, byte by byte.

use anthill_http::middleware::{
    Cors, RateLimit, RequestIds, SecurityHeaders, cors, rate_limit, request_id, security_headers,
};
use anthill_http::{Handler, RequestCtx, Server};
use anthill_tests::server::plain;
use anthill_tests::wire::{Script, Wire};
use proptest::prelude::*;

const CAREFUL: [(&str, &str); 7] = [
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "frame-ancestors 'self'"),
    ("X-Frame-Options", "SAMEORIGIN"),
    ("Referrer-Policy", "strict-origin-when-cross-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
];

/// What somebody does to the fields of a response.
#[derive(Clone, Debug)]
enum Deed {
    Set(String, String),
    Append(String, String),
    Remove(String),
    KeepNames(bool),
    ClearAll,
}

impl Deed {
    fn on(&self, ctx: &mut RequestCtx) {
        let response = &mut ctx.response;
        match self {
            Self::Set(name, value) => response.set_header(name, value),
            Self::Append(name, value) => response.append_header(name, value),
            Self::Remove(name) => {
                response.headers_mut().remove(name);
            }
            Self::KeepNames(keeps) => response.headers_mut().set_names_normalizing(!keeps),
            Self::ClearAll => response.headers_mut().clear(),
        }
    }
}

fn deed() -> impl Strategy<Value = Deed> {
    let name = || {
        let careful = (0..CAREFUL.len()).prop_map(|index| CAREFUL[index].0.to_owned());
        let others = prop::sample::select(
            &[
                "Content-Type",
                "Date",
                "Server",
                "Set-Cookie",
                "Connection",
                "Content-Encoding",
                "Content-Length",
                "Transfer-Encoding",
                "Trailer",
                "X-Late",
                "X-Referrer-Name",
                "Vary",
                "x frame options",
            ][..],
        );
        let name = prop_oneof![careful, others.prop_map(str::to_owned)];
        (name, any::<bool>()).prop_map(|(name, is_lower)| if is_lower { name.to_lowercase() } else { name })
    };
    let value =
        || prop_oneof!["[ -~]{0,12}", Just("X-Late\r\nX-Forged: 1".to_owned()), Just("X-Late".to_owned())];
    prop_oneof![
        3 => (name(), value()).prop_map(|(name, value)| Deed::Set(name, value)),
        3 => (name(), value()).prop_map(|(name, value)| Deed::Append(name, value)),
        2 => name().prop_map(Deed::Remove),
        1 => any::<bool>().prop_map(Deed::KeepNames),
        1 => Just(Deed::ClearAll),
    ]
}

/// A handler that does so, panics or not, and answers with bytes or with a stream, which has room for trailers.
fn doing(deeds: Vec<Deed>, streams: bool, panics: bool) -> impl Handler {
    move |ctx: &mut RequestCtx| {
        deeds.iter().for_each(|deed| deed.on(ctx));
        if panics {
            std::panic::resume_unwind(Box::new("quietly"));
        }
        if streams {
            ctx.response.set_body_reader(std::io::Cursor::new("streamed"));
        } else {
            ctx.set_body("there");
        }
    }
}

/// What is done behind a handler: wrappers outside of it see what it has put there.
fn behind(next: impl Handler, deeds: Vec<Deed>) -> impl Handler {
    move |ctx: &mut RequestCtx| {
        next.handle(ctx);
        deeds.iter().for_each(|deed| deed.on(ctx));
    }
}

fn sent(handler: impl Handler) -> String {
    let server = plain().build_handler(handler).expect("valid options");
    answers(&server, "GET / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n")
}

fn answers(server: &Server, requests: &str) -> String {
    let (wire, view) = Wire::new(Script::new(requests));
    server.serve_conn(wire).expect("requests and an end");
    String::from_utf8(view.written()).expect("answers of text")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn careful_fields_are_those_that_would_be_added_one_by_one(
        before in proptest::collection::vec(deed(), 0..6),
        after in proptest::collection::vec(deed(), 0..4),
        streams: bool,
        panics: bool,
    ) {
        let one_by_one = |ctx: &mut RequestCtx| {
            for (name, value) in CAREFUL {
                if !ctx.response.headers().contains(name) {
                    // As it is spelled here, whatever the handler has said of names.
                    ctx.response.headers_mut().set_names_normalizing(true);
                    ctx.response.headers_mut().append(name, value);
                }
            }
        };
        // A panic has become a response where the wrapper sees it, which a function of ours would not do.
        let inner = || security_headers(doing(before.clone(), streams, panics), nothing());
        let plain_way = behind(behind_with(inner(), one_by_one), normal(&after));
        let prepared_way = behind(security_headers(inner(), SecurityHeaders::new()), normal(&after));
        let (expected, found) = (sent(plain_way), sent(prepared_way));
        prop_assert_eq!(found, expected);
    }
}

/// Without `KeepNames`, and names as they are mostly stored, so that both ways leave the same behind.
fn normal(deeds: &[Deed]) -> Vec<Deed> {
    let deeds = deeds.iter().filter(|deed| !matches!(deed, Deed::KeepNames(_))).cloned();
    std::iter::once(Deed::KeepNames(false)).chain(deeds).collect()
}

fn behind_with(next: impl Handler, then: impl Fn(&mut RequestCtx) + Send + Sync + 'static) -> impl Handler {
    move |ctx: &mut RequestCtx| {
        next.handle(ctx);
        then(ctx);
    }
}

/// A policy of no fields.
fn nothing() -> SecurityHeaders {
    let builder = CAREFUL.iter().fold(SecurityHeaders::builder(), |builder, (name, _)| builder.without(name));
    builder.without("Strict-Transport-Security").build().expect("a policy")
}

#[test]
fn all_together_are_the_lines_that_they_always_were() {
    let often = RateLimit::builder().requests(100).build().expect("a policy");
    let to_any = Cors::builder().any_origin().expose(["X-Key", "X-Left"]).build().expect("a policy");
    let ids = RequestIds::builder().header("x-trace").from_clients(|_| true).build().expect("a policy");
    let handler = |ctx: &mut RequestCtx| {
        ctx.response.set_header("access-control-allow-origin", "null");
        ctx.success("text/plain", "hello");
    };
    let dressed = security_headers(cors(rate_limit(handler, often), to_any), SecurityHeaders::new());
    let server = plain().build_handler(request_id(dressed, ids)).expect("valid options");
    let found =
        answers(&server, "GET / HTTP/1.1\r\nHost: h\r\nX-Trace: 7\r\nOrigin: https://a.example\r\n\r\n");
    let careful: String = CAREFUL.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let expected = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\
         RateLimit-Policy: \"default\";q=100;w=60\r\nRateLimit: \"default\";r=99;t=1\r\n\
         Access-Control-Allow-Origin: *\r\nAccess-Control-Expose-Headers: X-Key, X-Left\r\n\
         {careful}X-Trace: 7\r\n\r\nhello"
    );
    assert_eq!(found, expected);
}
