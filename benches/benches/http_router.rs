//! What does it cost to find a route among a hundred?
//!
//! The routes have up to two parameters, as those of an interface of some size have. `matchit` finds a pattern and the
//! values of its parameters, and that is all it does. `ours` answers a request that is there: it finds the route by
//! method and path, keeps the values, and calls a handler, which looks at all of them. `handler alone` is what that
//! costs without a router.

use anthill_benches::allocations::Counting;
use anthill_benches::micro::{self, Question};
use anthill_benches::report;
use anthill_benches::settings::Settings;
use anthill_http::router::Routes;
use anthill_http::{Handler, Request, RequestCtx, Router};
use std::hint::black_box;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let settings = Settings::from_command_line();
    report::headline("What does it cost to find a route?", &["matchit"], settings.quick);
    let mut questions: Vec<Question> = [
        ("a path without parameters", "/service-7/status"),
        ("one parameter", "/service-7/users/1234"),
        ("two parameters", "/service-7/users/1234/orders/98765"),
        ("two parameters, behind a text that is tried first", "/service-7/users/me2/orders/98765"),
        ("all that is left", "/service-7/files/css/site/main.css"),
    ]
    .map(|(title, path)| question(title, path))
    .into();
    let rounds = micro::play(&settings, &mut questions);
    for (question, rounds) in questions.iter().zip(&rounds) {
        question.print(rounds);
    }
}

/// Six for each of seventeen services, which is 102.
fn patterns() -> Vec<String> {
    let of_service = |number: u32| {
        [
            "/status",
            "/users",
            "/users/{id}",
            "/users/me/orders",
            "/users/{id}/orders/{order}",
            "/files/{*path}",
        ]
        .map(|pattern| format!("/service-{number}{pattern}"))
    };
    (0..17).flat_map(of_service).collect()
}

fn answer(ctx: &mut RequestCtx) {
    let length = ctx.params().map(|(_, value)| value.len()).sum::<usize>();
    ctx.response.set_status_code(200 + length as u16);
}

fn routes() -> Routes {
    let router = patterns().into_iter().fold(Router::new(), |router, pattern| router.get(pattern, answer));
    router.build().expect("routes")
}

fn question(title: &str, path: &'static str) -> Question {
    let mut peer = matchit::Router::new();
    for pattern in patterns() {
        peer.insert(pattern, ()).expect("a pattern");
    }
    let length = |peer: &matchit::Router<()>| {
        let found = peer.at(black_box(path)).expect("a route");
        found.params.iter().map(|(_, value)| value.len()).sum::<usize>() as u64
    };
    let ctx = || RequestCtx::for_request(Request::new("GET", path).expect("a request"), None);
    let (routes, mut routed, mut alone) = (routes(), ctx(), ctx());
    let expected = length(&peer);
    Question::new(title, expected)
        .with("ours", move || {
            routes.handle(black_box(&mut routed));
            u64::from(routed.response.status_code()) - 200
        })
        .with("matchit", move || length(&peer))
        .with("handler alone", move || {
            answer(black_box(&mut alone));
            u64::from(alone.response.status_code()) - 200 + expected
        })
}
