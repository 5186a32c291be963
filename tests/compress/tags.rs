//! Entity tags of compressed responses, and the conditional requests that clients make with them.

use anthill_http::header::{EntityTag, EntityTagList};
use anthill_http::{CompressPolicy, RequestCtx, TagChange};
use anthill_tests::client::Reply;
use anthill_tests::server::Running;

use crate::support::{content, get, running, text};

/// A handler as they are: the tag of what there is, a 304 for whoever has it, 412 for a change of something else.
fn tagged(policy: CompressPolicy, tag: &'static str) -> Running {
    running(policy, move |ctx: &mut RequestCtx| {
        let current = EntityTag::parse(tag.as_bytes());
        let fields = ctx.request.headers();
        let has_it = EntityTagList::new(fields.get_all("If-None-Match")).matches_weakly(current);
        let is_other = fields.contains("If-Match")
            && !EntityTagList::new(fields.get_all("If-Match")).matches_strongly(current);
        ctx.response.set_header("ETag", tag);
        match (is_other, has_it) {
            (true, _) => ctx.set_status_code(412),
            (_, true) => ctx.not_modified(),
            _ => ctx.set_body(text(1000)),
        }
        ctx.response.set_header("ETag", tag);
    })
}

fn ask(running: &Running, lines: &str) -> Reply {
    running.client().exchange(get("/", lines))
}

#[test]
fn cmp_05_a_strong_tag_is_weakened_and_still_brings_a_304() {
    let running = tagged(CompressPolicy::new(), "\"v1\"");
    let packed = ask(&running, "Accept-Encoding: br\r\n");
    assert_eq!((packed.status, packed.field("ETag")), (200, Some("W/\"v1\"")));
    assert_eq!(content(&packed), text(1000));
    let plain = ask(&running, "");
    assert_eq!((plain.status, plain.field("ETag")), (200, Some("\"v1\"")));

    // Each client gets back the tag that it has shown.
    for (shown, tag) in
        [("W/\"v1\"", "W/\"v1\""), ("\"v1\"", "\"v1\""), ("\"v0\", W/\"v1\"", "W/\"v1\""), ("*", "\"v1\"")]
    {
        let found = ask(&running, &format!("Accept-Encoding: br\r\nIf-None-Match: {shown}\r\n"));
        assert_eq!((found.status, found.field("ETag")), (304, Some(tag)), "{shown}");
        assert_eq!((found.field("Vary"), found.field("Content-Encoding")), (Some("Accept-Encoding"), None));
    }
    let found = ask(&running, "Accept-Encoding: br\r\nIf-None-Match: W/\"v2\"\r\n");
    assert_eq!((found.status, content(&found)), (200, text(1000)));
}

#[test]
fn cmp_05_a_weak_tag_stays_as_it_is() {
    let running = tagged(CompressPolicy::new(), "W/\"v1\"");
    let found = ask(&running, "Accept-Encoding: gzip\r\n");
    assert_eq!((found.field("ETag"), found.field("Content-Encoding")), (Some("W/\"v1\""), Some("gzip")));
    assert_eq!(ask(&running, "If-None-Match: W/\"v1\"\r\n").status, 304);
}

#[test]
fn cmp_05_a_suffix_keeps_tags_strong_and_handlers_do_not_see_it() {
    let running = tagged(CompressPolicy::new().entity_tags(TagChange::Suffix), "\"v1\"");
    for coding in ["gzip", "deflate", "br", "zstd"] {
        let own = format!("\"v1-{coding}\"");
        let found = ask(&running, &format!("Accept-Encoding: {coding}\r\n"));
        assert_eq!((found.status, found.field("ETag")), (200, Some(&*own)));
        for lines in [
            format!("If-None-Match: {own}\r\n"),
            format!("If-None-Match: \"v0-br\", W/{own}\r\n"),
            format!("If-None-Match: \"other\"\r\nIf-None-Match: {own}\r\n"),
        ] {
            let found = ask(&running, &format!("Accept-Encoding: {coding}\r\n{lines}"));
            let tag = found.field("ETag").expect("a tag");
            assert_eq!((found.status, tag.trim_start_matches("W/")), (304, &*own), "{lines}");
        }
        let found = ask(&running, &format!("Accept-Encoding: {coding}\r\nIf-Match: {own}\r\n"));
        assert_eq!((found.status, found.field("ETag")), (200, Some(&*own)));
        assert_eq!(ask(&running, &format!("If-Match: \"v0-{coding}\"\r\n")).status, 412);
    }
    let found = ask(&running, "If-None-Match: \"v1\"\r\n");
    assert_eq!((found.status, found.field("ETag")), (304, Some("\"v1\"")));
    assert_eq!(ask(&running, "").field("ETag"), Some("\"v1\""));
}

#[test]
fn cmp_05_a_handlers_own_tag_may_end_as_a_suffix_does() {
    let running = tagged(CompressPolicy::new().entity_tags(TagChange::Suffix), "\"logo-gzip\"");
    let own = "\"logo-gzip\"";
    assert_eq!(ask(&running, "").field("ETag"), Some(own));
    let packed = ask(&running, "Accept-Encoding: gzip\r\n");
    assert_eq!(packed.field("ETag"), Some("\"logo-gzip-gzip\""));
    for accepts in ["", "Accept-Encoding: gzip\r\n"] {
        for shown in [own, "\"logo-gzip-gzip\"", "\"logo-gzip-br\"", "W/\"logo-gzip\""] {
            let found = ask(&running, &format!("{accepts}If-None-Match: {shown}\r\n"));
            let tag = found.field("ETag").expect("a tag");
            let expected = shown.trim_start_matches("W/");
            assert_eq!((found.status, tag.trim_start_matches("W/")), (304, expected), "{shown}");
            let none = ask(&running, &format!("{accepts}If-None-Match: \"other\", \"x-gzip\", {shown}\r\n"));
            assert_eq!((none.status, none.field("ETag")), (304, Some(tag)), "{shown}");
        }
        for shown in [own, "\"logo-gzip-gzip\""] {
            assert_eq!(ask(&running, &format!("{accepts}If-Match: {shown}\r\n")).status, 200, "{shown}");
        }
        for shown in ["\"logo\"", "\"logo-br\"", "\"other-gzip\""] {
            assert_eq!(ask(&running, &format!("{accepts}If-Match: {shown}\r\n")).status, 412, "{shown}");
            let found = ask(&running, &format!("{accepts}If-None-Match: {shown}\r\n"));
            assert_eq!((found.status, content(&found)), (200, text(1000)), "{shown}");
        }
    }
}

#[test]
fn cmp_05_a_tag_that_is_none_is_sent_as_it_is() {
    for change in [TagChange::Weaken, TagChange::Suffix] {
        let running = running(CompressPolicy::new().entity_tags(change), |ctx: &mut RequestCtx| {
            ctx.response.set_header("ETag", "v1");
            ctx.set_body(text(1000));
        });
        let found = ask(&running, "Accept-Encoding: gzip\r\nIf-None-Match: v1-gzip, \"\r\n");
        assert_eq!((found.field("ETag"), found.field("Content-Encoding")), (Some("v1"), Some("gzip")));
    }
}
