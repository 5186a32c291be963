//! Beside `matchit`, which other frameworks search with: where both take the patterns, both find the same.

use anthill_http::{Handler, Request, RequestCtx, Router};
use proptest::prelude::*;

use crate::tell;

fn ours(router: Router, path: &str) -> Option<String> {
    let routes = router.build().expect("routes that matchit has taken");
    let mut ctx = RequestCtx::for_request(Request::new("GET", path).expect("a path"), None);
    routes.handle(&mut ctx);
    (ctx.response.status_code() == 200).then(|| String::from_utf8_lossy(ctx.response.body()).into_owned())
}

fn theirs(router: &matchit::Router<String>, path: &str) -> Option<String> {
    let found = router.at(path).ok()?;
    let params = found.params.iter().map(|(name, value)| format!(" {name}={value:?}"));
    Some(format!("GET {}{}", found.value, params.collect::<String>()))
}

fn pattern() -> impl Strategy<Value = String> {
    let segment = prop_oneof![4 => "[ab]{1,2}", 3 => Just("{}".to_owned()), 1 => Just("{*}".to_owned())];
    proptest::collection::vec(segment, 1..5).prop_map(|segments| {
        let mut pattern = String::new();
        for (index, segment) in segments.iter().enumerate() {
            if segment == "{*}" {
                return format!("{pattern}/{{*p{index}}}");
            }
            pattern = format!("{pattern}/{}", segment.replace("{}", &format!("{{p{index}}}")));
        }
        pattern
    })
}

proptest! {
    #[test]
    fn both_find_the_same(
        patterns in proptest::collection::vec(pattern(), 1..16),
        paths in proptest::collection::vec("(/[ab]{1,3}){1,5}", 8),
    ) {
        let mut peer = matchit::Router::new();
        let mut taken = Vec::new();
        for pattern in patterns {
            // It takes no parameter beside all that is left, and may have changed by what it has refused.
            let mut tried = peer.clone();
            if tried.insert(pattern.clone(), pattern.clone()).is_ok() {
                peer = tried;
                taken.push(pattern);
            }
        }
        for path in paths {
            let router = taken.iter().fold(Router::new(), |router, pattern| router.get(pattern, tell));
            prop_assert_eq!(ours(router, &path), theirs(&peer, &path), "{:?} {}", taken, path);
        }
    }
}
