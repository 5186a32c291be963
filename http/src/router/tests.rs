//! Searching beside a plain comparison of all patterns, and what assemblies refuse.

use super::*;
use crate::ctx::{Handler, RequestCtx};
use crate::message::request::Request;
use proptest::prelude::*;

fn answered(routes: &Routes, method: &str, target: &str) -> (u16, String) {
    let mut ctx = RequestCtx::for_request(Request::new(method, target).unwrap(), None);
    routes.handle(&mut ctx);
    (ctx.response.status_code(), String::from_utf8_lossy(ctx.response.body()).into_owned())
}

/// Says the route and its parameters.
fn tell(ctx: &mut RequestCtx) {
    let params: Vec<String> = ctx.params().map(|(name, value)| format!("{name}={value}")).collect();
    let text = format!("{} {}", ctx.route().unwrap_or("none"), params.join(" "));
    ctx.set_body(text);
}

/// That of a segment of a pattern that this one matches, and its value; none if it does not.
fn judged(pattern: &str, segment: &str) -> Option<(u8, Option<String>)> {
    match pattern.starts_with('{') {
        true => (!segment.is_empty()).then(|| (1, Some(segment.to_owned()))),
        false => (pattern == segment).then_some((2, None)),
    }
}

/// How particular a pattern that a path matches is, segment by segment, and the values.
fn matched(pattern: &str, path: &str) -> Option<(Vec<u8>, Vec<String>)> {
    let (mut ranks, mut values) = (Vec::new(), Vec::new());
    let mut left = path.strip_prefix('/');
    for part in pattern[1..].split('/') {
        let rest = left?;
        if part.starts_with("{*") {
            ranks.push(0);
            values.push(rest.to_owned());
            return (!rest.is_empty()).then_some((ranks, values));
        }
        let (segment, next) =
            rest.split_once('/').map_or((rest, None), |(segment, next)| (segment, Some(next)));
        let (rank, value) = judged(part, segment)?;
        ranks.push(rank);
        values.extend(value);
        left = next;
    }
    left.is_none().then_some((ranks, values))
}

/// Whether none of two patterns comes before the other.
fn conflict(one: &str, other: &str) -> bool {
    let kind = |part: &str| match part {
        part if part.starts_with("{*") => "{*}".to_owned(),
        part if part.starts_with('{') => "{}".to_owned(),
        part => part.to_owned(),
    };
    let (one, other): (Vec<_>, Vec<_>) =
        (one.split('/').map(kind).collect(), other.split('/').map(kind).collect());
    match one.iter().zip(&other).find(|(one, other)| one != other) {
        Some((one, other)) => one.starts_with('{') && other.starts_with('{'),
        None => one.len() == other.len(),
    }
}

/// Texts of a word of eight bytes, of about as much, and of more: some differ in one byte at either end.
fn long_text() -> impl Strategy<Value = String> {
    const WORDS: [&str; 6] =
        ["aaaaaaa", "aaaaaaaa", "baaaaaaa", "aaaaaaaab", "aaaaaaaac", "aaaaaaaabaaaaaaac"];
    prop::sample::select(&WORDS[..]).prop_map(str::to_owned)
}

/// Paths of few letters and words, so that many are matched.
fn paths() -> impl Strategy<Value = String> {
    let segment = prop_oneof![3 => "[ab\u{e4}\u{f6}]{0,3}", 1 => long_text()];
    proptest::collection::vec(segment, 1..5).prop_map(|segments| format!("/{}", segments.join("/")))
}

/// Patterns of few letters, so that many match.
fn patterns() -> impl Strategy<Value = Vec<String>> {
    let segment = prop_oneof![
        4 => "[ab\u{e4}\u{f6}]{1,2}",
        2 => long_text(),
        3 => Just("{}".to_owned()),
        1 => Just("{*}".to_owned()),
        1 => Just(String::new()),
    ];
    let pattern = proptest::collection::vec(segment, 1..5).prop_map(|segments| {
        let mut pattern = String::new();
        for (index, segment) in segments.iter().enumerate() {
            if segment.is_empty() && index + 1 < segments.len() {
                continue;
            }
            pattern.push('/');
            if segment == "{*}" {
                pattern.push_str(&format!("{{*p{index}}}"));
                break;
            }
            pattern.push_str(&segment.replace("{}", &format!("{{p{index}}}")));
        }
        pattern
    });
    proptest::collection::vec(pattern, 1..12)
}

proptest! {
    /// No value leads out of a folder that it is joined to, and who asks for a route before finds the one that answers.
    #[test]
    fn no_value_has_a_segment_of_two_dots(path in "(/(v|\\.|\\.\\.|%2[fF]|%2e|x){1,4}){1,3}/?") {
        let routes = Router::new()
            .trailing_slash(TrailingSlash::Redirect)
            .get("/{a}/{b}", tell)
            .get("/{a}", tell)
            .get("/x/{a}/{b}", tell)
            .nest("/v", |group| group.wrap(|next| next).get("/{*rest}", tell).fallback(tell))
            .fallback(tell)
            .build()
            .unwrap();
        let Ok(request) = Request::new("GET", &path) else { return Ok(()) };
        let mut ctx = RequestCtx::for_request(request, None);
        let expected = (routes.hooks().label)(&mut ctx);
        routes.handle(&mut ctx);
        prop_assert_eq!(ctx.route(), expected);
        for (_, value) in ctx.params() {
            prop_assert!(!value.is_empty() && value.split('/').all(|part| part != ".."), "{path} {value:?}");
        }
    }

    /// What is made of values leads back to them.
    #[test]
    fn urls_lead_back(value in "[./a%\\u{e4}? -]{0,6}", rest in "[./a%\\u{e4}? -]{0,6}") {
        let routes = Router::new()
            .route(Route::get("/f/{value}", tell).name("file"))
            .route(Route::get("/v/{value}/{*rest}", tell).name("below"))
            .build()
            .unwrap();
        let (file, below) = ([("value", &*value)], [("value", &*value), ("rest", &*rest)]);
        for (name, values) in [("file", &file[..]), ("below", &below)] {
            let is_possible = |(name, value): &(&str, &str)| {
                let mut parts: Vec<&str> = value.split('/').collect();
                if *name == "rest" && parts.len() > 1 && parts.last() == Some(&"") {
                    parts.pop();
                }
                (*name == "rest" || parts.len() == 1) && !parts.iter().any(|part| matches!(*part, "" | "." | ".."))
            };
            let url = routes.url(name, values);
            prop_assert_eq!(url.is_ok(), values.iter().all(is_possible), "{:?}", values);
            let Ok(url) = url else { continue };
            let mut ctx = RequestCtx::for_request(Request::new("GET", &url).unwrap(), None);
            routes.handle(&mut ctx);
            prop_assert!(ctx.params().eq(values.iter().copied()), "{url} {values:?}");
        }
    }

    /// Whatever the patterns are, the most particular is found, with its values.
    #[test]
    fn the_most_particular_pattern_is_found(patterns in patterns(), path in paths()) {
        let add = |router: Router, pattern: &&String| router.get((*pattern).clone(), tell);
        let router_of = |known: &[&String]| known.iter().fold(Router::new(), add);
        let mut known: Vec<&String> = Vec::new();
        for pattern in &patterns {
            let is_refused = known.iter().any(|before| conflict(before, pattern));
            known.push(pattern);
            prop_assert_eq!(router_of(&known).build().is_err(), is_refused, "{:?}", known);
            if is_refused {
                known.pop();
            }
        }
        let request = Request::new("GET", &path).unwrap();
        let path = request.path().to_owned();
        let best = known.iter().filter_map(|pattern| Some((matched(pattern, &path)?, *pattern))).max();
        let expected = best.map(|((_, values), pattern)| {
            let names = pattern.split('{').skip(1).map(|part| part.split('}').next().unwrap().trim_start_matches('*'));
            let params: Vec<String> = names.zip(values).map(|(name, value)| format!("{name}={value}")).collect();
            (200, format!("{pattern} {}", params.join(" ")))
        });
        let found = answered(&router_of(&known).build().unwrap(), "GET", &path);
        prop_assert_eq!(found, expected.unwrap_or((404, "404 Page not found".to_owned())));
    }

    /// `matchit`, which others use, finds the same: the same one of those that it takes, with the same values.
    #[test]
    fn another_router_finds_the_same(patterns in patterns(), path in paths()) {
        let mut other = matchit::Router::new();
        let mut router = Router::new();
        let mut known: Vec<&String> = Vec::new();
        for pattern in &patterns {
            if !known.iter().any(|before| conflict(before, pattern)) {
                known.push(pattern);
                prop_assert!(other.insert(pattern.clone(), pattern).is_ok(), "{:?}", known);
                router = router.get(pattern.clone(), tell);
            }
        }
        let request = Request::new("GET", &path).unwrap();
        let expected = other.at(request.path()).ok().map(|found| {
            let params: Vec<String> = found.params.iter().map(|(name, value)| format!("{name}={value}")).collect();
            (200, format!("{} {}", found.value, params.join(" ")))
        });
        let found = answered(&router.build().unwrap(), "GET", &path);
        prop_assert_eq!(found, expected.unwrap_or((404, "404 Page not found".to_owned())));
    }

    /// No bytes of a target lead anywhere but to an answer.
    #[test]
    fn any_target_is_answered(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        let routes = Router::new()
            .trailing_slash(TrailingSlash::Redirect)
            .get("/{a}/x/", tell)
            .nest("/x", |below| below.get("/{*rest}", tell))
            .build()
            .unwrap();
        let escaped: String = bytes.iter().map(|byte| format!("%{byte:02x}")).collect();
        let plain = String::from_utf8_lossy(&bytes).replace([' ', '\r', '\n', '\t', '\0'], "/");
        for target in [format!("/{escaped}"), format!("/{escaped}/x"), format!("/{plain}")] {
            if let Ok(request) = Request::new("GET", &target) {
                let mut ctx = RequestCtx::for_request(request, None);
                routes.handle(&mut ctx);
                prop_assert!(matches!(ctx.response.status_code(), 200 | 308 | 404), "{target}");
            }
        }
    }
}

#[test]
fn what_is_wrong_is_said_with_the_routes_it_is_about() {
    let router = || Router::new();
    let nothing = |_: &mut RequestCtx| {};
    let check = |router: Router, problems: &[&str]| {
        assert_eq!(router.build().expect_err("something is wrong").problems(), problems);
    };
    check(
        router().any("/a", nothing).get("/a", nothing).any("/a", nothing),
        &["any method is answered twice at the same paths: by the route /a and the route /a"],
    );
    check(
        router()
            .get("/v/{a}/{b}", nothing)
            .group(|group| group.get("/v/{x}/{y}", nothing).post("/v/{x}/{y}", nothing)),
        &["GET is answered twice at the same paths: by the route /v/{a}/{b} and the route /v/{x}/{y}"],
    );
    check(
        router().route(Route::new("GET, HEAD", "/a", nothing)).route(Route::new("LINK, HEAD", "/a", nothing)),
        &["HEAD is answered twice at the same paths: by the route /a and the route /a"],
    );
    check(
        router().mount("/files", nothing).any("/files/{*path}", nothing),
        &[
            "any method is answered twice at the same paths: by the route /files/{*rest} and the route /files/{*path}",
        ],
    );
    check(
        router().get("/{page}", nothing).post("/{*all}", nothing).mount("/", nothing),
        &["the route /{page} and the route /{*rest} match the same paths, none of them sooner"],
    );
    check(
        router().get("/api", nothing).post("/api/{x}", nothing).nest("/api", |api| api.get("/", nothing)),
        &[
            "the route /api is at the group /api: put it into that",
            "the route /api/{x} and the group /api match the same paths, none of them sooner",
        ],
    );
    check(
        router().nest("/api", |api| api.get("/a", nothing)).nest("/api", |api| api.get("/b", nothing)),
        &["the group /api is there twice: put both into one"],
    );
    check(
        router().host("A.org", |a| a.get("/", nothing)).host("a.org", |a| a.get("/", nothing)),
        &["the host a.org: it is there twice: put both into one"],
    );
    check(
        router().route(Route::new("GTE, get", "/", nothing)),
        &["the route /: \"get\" is no method; \"GET\" is one"],
    );
    check(
        router().route(Route::new("GET, CONNECT", "/x", nothing)),
        &["the route /x: CONNECT has no path, so its route is `/`"],
    );
    check(router().route(Route::new("", "/", nothing)), &["the route /: \"\" is no method"]);
    check(
        router().route(Route::get("/a", nothing).name("x")).route(Route::get("/b", nothing).name("x")),
        &["the route /b: another route is called \"x\", too"],
    );
    check(
        router().nest("/{id}", |group| group.get("/{id}", nothing)),
        &["the route /{id}/{id}: it has two parameters \"id\""],
    );
    check(
        router().host("{id}.org", |group| group.get("/{id}", nothing)),
        &["the route {id}.org/{id}: it has two parameters \"id\""],
    );
    check(
        router().nest("api", |group| group.get("users", nothing)).nest("/b/", |group| group),
        &[
            "the group \"api\": a prefix starts with a slash, and ends without one; without a prefix there is `group`",
            "the route users: a path starts with a slash",
            "the group \"/b/\": a prefix starts with a slash, and ends without one; without a prefix there is `group`",
        ],
    );
    check(
        router().nest("/{*rest}", |group| group).mount("files", nothing),
        &[
            "the group \"/{*rest}\": nothing can be behind all that is left",
            "the route files: a path starts with a slash",
        ],
    );
    check(
        router()
            .fallback(nothing)
            .fallback(nothing)
            .group(|group| group.fallback(nothing))
            .nest("/a", |a| a.fallback(nothing).trailing_slash(TrailingSlash::Ignore)),
        &[
            "the group \"\": its fallback is said twice",
            "the group without a prefix: it has no paths but those of its routes, so it can have no fallback",
            "the group \"/a\": what becomes of slashes is for the outermost router to say",
        ],
    );
    check(
        router().host("a b", |group| group).host("a", |a| a.host("b", |b| b)),
        &["the host a b: it is no host", "the host b: it is in the group of another host"],
    );
}

#[test]
fn groups_of_other_states_wrappers_of_routes_and_mounts_in_groups() {
    fn count(ctx: &mut RequestCtx, number: &u32) {
        ctx.append_body(number.to_string());
    }
    let inner = Router::with(7).get("/", count).get("/{id}", count).fallback(count);
    let wrapped = |name: &'static str| {
        move |next: std::sync::Arc<dyn Handler>| {
            move |ctx: &mut RequestCtx| {
                ctx.append_body(name);
                next.handle(ctx);
            }
        }
    };
    let routes = Router::with_shared(std::sync::Arc::new(8))
        .nest_router("/seven", inner)
        .route(Route::get("/wrapped", count).wrap(wrapped("a")).wrap(wrapped("b")))
        .nest("/in", |group| group.mount("", tell).method_not_allowed(count))
        .nest("/routes", |group| group.mount("/x", Router::new().get("/routes/x/{y}", tell).build().unwrap()))
        .mount("/", tell)
        .method_not_allowed(count)
        .build()
        .unwrap();
    for (target, body) in [
        ("/seven", "7"),
        ("/seven/1", "7"),
        ("/seven/1/2", "7"),
        ("/seven/", "7"),
        ("/wrapped", "ab8"),
        ("/in", "/in/{*rest} "),
        ("/in/", "/in/{*rest} "),
        ("/in/a/b", "/in/{*rest} rest=a/b"),
        ("/routes/x/1", "/routes/x/{y} y=1"),
        ("/", "/{*rest} "),
        ("/none", "/{*rest} rest=none"),
    ] {
        assert_eq!(answered(&routes, "GET", target), (200, body.to_owned()), "{target}");
    }
}

#[test]
fn a_slash_more_or_less() {
    let router = || {
        Router::new().get("/a", tell).get("/b/", tell).post("/c", tell).get("/both", tell).get("/both/", tell)
    };
    let strict = router().build().unwrap();
    let redirects = router().trailing_slash(TrailingSlash::Redirect).build().unwrap();
    let ignores = router().trailing_slash(TrailingSlash::Ignore).build().unwrap();
    for (target, route, other) in [("/a/", "/a", "/a"), ("/b", "/b/", "/b/")] {
        assert_eq!(answered(&strict, "GET", target).0, 404, "{target}");
        assert_eq!(answered(&ignores, "GET", target), (200, format!("{route} ")));
        assert_eq!(answered(&ignores, "POST", target).0, 405);
        let mut ctx = RequestCtx::for_request(Request::new("GET", target).unwrap(), None);
        redirects.handle(&mut ctx);
        assert_eq!((ctx.response.status_code(), ctx.response.header_str("location")), (308, Some(other)));
        assert_eq!(ctx.route(), Some(route));
    }
    for routes in [&strict, &redirects, &ignores] {
        assert_eq!(answered(routes, "GET", "/both"), (200, "/both ".to_owned()));
        assert_eq!(answered(routes, "GET", "/both/"), (200, "/both/ ".to_owned()));
        assert_eq!(answered(routes, "GET", "/").0, 404);
    }
    // Where both are there, and one has the method.
    let both = || Router::new().get("/a", tell).post("/a/", tell);
    let ignores_both = both().trailing_slash(TrailingSlash::Ignore).build().unwrap();
    assert_eq!(answered(&ignores_both, "GET", "/a/").1, "/a ");
    assert_eq!(answered(&ignores_both, "POST", "/a").1, "/a/ ");
    assert_eq!(answered(&both().build().unwrap(), "GET", "/a/").0, 405);
    assert_eq!(answered(&redirects, "GET", "/c/").0, 404);
    assert_eq!(answered(&ignores, "GET", "/c/").0, 405);
}

#[test]
fn a_redirect_leads_to_no_other_host() {
    let routes = Router::new()
        .trailing_slash(TrailingSlash::Redirect)
        .get("/{a}", tell)
        .get("/x/{b}/", tell)
        .build()
        .unwrap();
    for (target, location) in [
        ("//evil.example/", Some("/evil.example")),
        ("/%5Cevil.example/", Some("/%5Cevil.example")),
        ("/%2F%2Fevil.example/", Some("/evil.example")),
        ("/a%0d%0aX:y/?q=%0a", Some("/a%0D%0AX:y?q=%0a")),
        ("/x/ä%20?%", Some("/x/%C3%A4%20/?%")),
        ("/x/%25ff", Some("/x/%25ff/")),
        // What is no text cannot be told from its escape.
        ("/x/%ff", None),
    ] {
        let mut ctx = RequestCtx::for_request(Request::new("GET", target).unwrap(), None);
        routes.handle(&mut ctx);
        assert_eq!(ctx.response.header_str("location"), location, "{target}");
    }
}

#[test]
fn routers_in_routers_leave_what_the_outer_one_has_found() {
    let inner = Router::new().get("/{a}/{b}", tell).fallback(tell).build().unwrap();
    let routes = Router::new()
        .wrap(|next| {
            move |ctx: &mut RequestCtx| {
                next.handle(ctx);
                let after = ctx.param("a").unwrap_or("none").to_owned();
                ctx.append_body(format!("| {after}"));
                next.handle(ctx);
            }
        })
        .get("/{a}/x", inner)
        .build()
        .unwrap();
    assert_eq!(answered(&routes, "GET", "/1/x"), (200, "/{a}/{b} a=1 b=x".to_owned()));
    let mut ctx = RequestCtx::for_request(Request::new("GET", "/1/x").unwrap(), None);
    routes.handle(&mut ctx);
    assert_eq!((ctx.param("a"), ctx.param("b")), (Some("1"), None));
}

#[test]
fn any_number_of_parameters_in_any_place() {
    let names = |count: usize| (0..count).map(|number| format!("p{number}")).collect::<Vec<_>>();
    let pattern = |count| names(count).iter().map(|name| format!("/{{{name}}}/x")).collect::<String>();
    let counts = [1, 2, 3, 4, 30, 200];
    let add = |router: Router, count: &usize| router.get(pattern(*count), tell);
    let routes = counts.iter().fold(Router::new(), add).get("/{a}/{*rest}", tell).build().unwrap();
    for count in counts {
        let params: Vec<String> = names(count).iter().map(|name| format!("{name}=v-{name}")).collect();
        let path: String = names(count).iter().map(|name| format!("/v-{name}/x")).collect();
        assert_eq!(answered(&routes, "GET", &path).1, format!("{} {}", pattern(count), params.join(" ")));
    }
    // All of them are tried, and the one for what is left is not too short for any path.
    let path = "/y/x".repeat(199) + "/y/y";
    assert_eq!(answered(&routes, "GET", &path).1, format!("/{{a}}/{{*rest}} a=y rest={}", &path[3..]));
    let path = "/y/x".repeat(2_000);
    assert_eq!(answered(&routes, "GET", &path).1, format!("/{{a}}/{{*rest}} a=y rest={}", &path[3..]));
}

/// What is asked before a handler runs leaves nothing to it, and what a router has found nothing to who asks again.
#[test]
fn whoever_asks_for_a_route_takes_no_parameters_along() {
    let routes = Router::new()
        .get("/{a}/{b}", tell)
        .host("{tenant}.org", |group| group.get("/{*rest}", tell).get("/text", tell))
        .build()
        .unwrap();
    let hooks = routes.hooks();
    for (target, label, body) in [
        ("/1/2", "/{a}/{b}", "/{a}/{b} a=1 b=2"),
        ("http://T.org/1/2", "{tenant}.org/{*rest}", "{tenant}.org/{*rest} tenant=t rest=1/2"),
        ("http://longer.org/text", "{tenant}.org/text", "{tenant}.org/text tenant=longer"),
    ] {
        let mut ctx = RequestCtx::for_request(Request::new("GET", target).unwrap(), None);
        for _ in 0..2 {
            assert_eq!((hooks.label)(&mut ctx), Some(label));
            assert_eq!((hooks.key)(&mut ctx).is_none(), label.ends_with("{*rest}"));
            assert_eq!(ctx.params().next(), None);
            ctx.response.clear();
            routes.handle(&mut ctx);
            assert_eq!(ctx.response.body(), body.as_bytes());
        }
    }
}

#[test]
fn ten_thousand_routes_are_found() {
    let mut router = Router::new();
    for number in 0..2_500 {
        router = router
            .get(format!("/flat-{number}"), tell)
            .get(format!("/deep/{number}/{{id}}"), tell)
            .get(format!("/{{id}}/under/{number}"), tell)
            .get(format!("/text/{number}/{{id}}/x"), tell);
    }
    let routes = router.build().unwrap();
    for number in [0, 1, 1_234, 2_499] {
        assert_eq!(answered(&routes, "GET", &format!("/flat-{number}")).1, format!("/flat-{number} "));
        assert_eq!(
            answered(&routes, "GET", &format!("/deep/{number}/x")).1,
            format!("/deep/{number}/{{id}} id=x")
        );
        assert_eq!(
            answered(&routes, "GET", &format!("/deep/under/{number}")).1,
            format!("/{{id}}/under/{number} id=deep")
        );
        assert_eq!(
            answered(&routes, "GET", &format!("/text/{number}/x/x")).1,
            format!("/text/{number}/{{id}}/x id=x")
        );
    }
    assert_eq!(answered(&routes, "GET", "/flat-2500").0, 404);
}
