//! URIs: whatever is taken is printed so that it reads the same, and what is refused leaves everything as it was.

use anthill_http::{Request, Uri};

use super::plan::{Plan, fields};

pub(super) fn check(data: &[u8]) {
    let (mut plan, input) = Plan::split(data);
    let [text, reference, host, part] = fields::<4>(input);
    let mut uri = Uri::new();
    uri.set_path("/left/over?");
    uri.query_args_mut().append("left", "over");
    let assigned = if plan.is_yes() { uri.assign_with_host(host, text) } else { uri.assign(text) };
    match assigned {
        Ok(()) => judge(&uri),
        Err(_) => {
            assert_eq!(uri.to_bytes(), b"http:///left/over%3F?left=over", "a refused one has changed it")
        }
    }
    let fresh = Uri::parse(text);
    if let Ok(fresh) = &fresh {
        judge(fresh);
        assert!(uri.assign(text).is_ok(), "an object that was used before reads another way");
        assert_eq!(parts(&uri), parts(fresh));
    }
    let before = parts(&uri);
    match uri.update(reference) {
        Ok(()) => {
            judge(&uri);
            let printed = uri.to_bytes();
            // An absolute one means the same against anything, but for the dot at the end that fasthttp lets be.
            if !uri.host().is_empty() && !uri.path_original().is_empty() && !uri.path().ends_with("/.") {
                let mut other = Uri::parse("https://elsewhere/a/b?c#d").expect("a uri");
                other.update(&printed).unwrap_or_else(|error| panic!("{error}: {}", printed.escape_ascii()));
                assert_eq!(other.to_bytes(), printed);
            }
        }
        Err(_) => assert_eq!(parts(&uri), before, "a refused reference has changed it"),
    }
    if uri.set_host(host).is_ok() {
        judge(&uri);
    }
    let is_scheme = std::str::from_utf8(part).is_ok_and(|scheme| uri.set_scheme(scheme).is_ok());
    if is_scheme {
        judge(&uri);
    }
    uri.set_username(part);
    uri.set_password(text);
    assert_eq!((uri.username().as_ref(), uri.password().as_ref()), (part, text));
    let normalizing = plan.is_yes();
    uri.set_path_normalizing(normalizing);
    uri.set_path(part);
    judge_printed(&uri, normalizing);
    uri.set_query(text);
    uri.set_fragment(reference);
    judge_printed(&uri, normalizing);
    uri.query_args_mut().append(part, text);
    let has_added = uri.query_args().get_all(part).any(|value| value == text);
    assert!(has_added, "an argument that was added is not there");
    let query = uri.query().to_vec();
    let mut again = Uri::new();
    again.set_query(query);
    let has_added = again.query_args().get_all(part).any(|value| value == text);
    assert!(has_added || part.is_empty() && text.is_empty(), "an argument that was printed is not there");
    judge_printed(&uri, normalizing);
}

/// Everything there is to read of a URI.
fn parts(uri: &Uri) -> Vec<Vec<u8>> {
    vec![
        uri.to_bytes(),
        uri.userinfo().to_vec(),
        uri.path().as_bytes().to_vec(),
        uri.path_original().to_vec(),
        uri.query().to_vec(),
        uri.fragment().to_vec(),
    ]
}

fn judge(uri: &Uri) {
    judge_printed(uri, true);
}

fn judge_printed(uri: &Uri, normalizing: bool) {
    let path = uri.path();
    assert!(path.starts_with('/') && path.split('/').all(|segment| segment != ".."), "{path:?}");
    let printed = uri.to_bytes();
    assert!(printed.iter().all(|byte| *byte > b' ' && *byte != 0x7f), "{}", printed.escape_ascii());
    let is_asterisk = uri.path_original() == b"*" && uri.query().is_empty();
    if !uri.host().is_empty() {
        let mut again =
            Uri::parse(&printed).unwrap_or_else(|error| panic!("{error}: {}", printed.escape_ascii()));
        again.set_path_normalizing(normalizing);
        let (once, twice) = (printed.escape_ascii().to_string(), again.to_bytes().escape_ascii().to_string());
        assert!(is_asterisk || once == twice, "printed {once}, and then {twice}");
        assert_eq!((again.scheme(), again.host(), again.port()), (uri.scheme(), uri.host(), uri.port()));
        assert!(
            is_asterisk || again.path() == path,
            "{:?} is not {path:?}: {}",
            again.path(),
            printed.escape_ascii()
        );
        assert_eq!(again.userinfo(), b"");
    }
    // A client sends it, and a server must read it the same.
    let target = uri.request_uri();
    if target.is_ascii() {
        let message = [b"OPTIONS ", &target[..], b" HTTP/1.1\r\nHost: h\r\n\r\n"].concat();
        if message.len() < 15_000 {
            let found = Request::parse(&message)
                .unwrap_or_else(|error| panic!("{error}: {}", message.escape_ascii()));
            let (request, _) = found.unwrap_or_else(|| panic!("not complete: {}", message.escape_ascii()));
            assert_eq!(request.path(), path, "{}", message.escape_ascii());
        }
    }
}
