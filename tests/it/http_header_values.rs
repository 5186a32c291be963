//! The list of header fields and what values say, through the public API: rows `HDR-02`, `HDR-04`, `HDR-09`, `HDR-10`,
//! `HDR-12`.
//!
//! The rule: what is well-formed is compared with a model that computes it another way; what is not is thrown at every
//! reader, whole and cut off at each byte, and none may panic.

use anthill_http::Headers;
use anthill_http::header::{
    self, Accept, AcceptEncoding, AcceptLanguage, ByteRange, ByteRanges, ContentRange, EntityTag,
    EntityTagList, Quality, RangeError, RangeSpec,
};
use proptest::prelude::*;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn names(headers: &Headers) -> Vec<&str> {
    headers.iter().map(|(name, _)| name).collect()
}

/// A list that keeps names as they are given.
fn as_given() -> Headers {
    let mut headers = Headers::new();
    headers.set_names_normalizing(false);
    headers
}

/// Whether the list does.
fn keeps_names(headers: &Headers) -> bool {
    let mut copy = headers.clone();
    copy.append("x-pRoBe", "");
    copy.iter().next_back() == Some(("x-pRoBe", b""))
}

#[test]
fn hdr_02_names_are_canonical_or_as_given() {
    let mut headers = Headers::new();
    headers.extend([("foo-bar", "1"), ("WWW-authenticate", "2"), ("eTag", "3")]);
    assert_eq!(names(&headers), ["Foo-Bar", "Www-Authenticate", "Etag"]);

    let mut headers = as_given();
    assert!(keeps_names(&headers));
    headers.extend([("foo-bar", "1"), ("WWW-authenticate", "2"), ("FOO-bar", "3")]);
    assert_eq!(names(&headers), ["foo-bar", "WWW-authenticate", "FOO-bar"]);
    for name in ["foo-bar", "Foo-Bar", "FOO-BAR"] {
        assert_eq!(headers.get_all(name).collect::<Vec<_>>(), [b"1", b"3"], "{name}");
    }
    // Setting gives the name anew, in the place of the first.
    headers.set("fOO-bAR", "4");
    assert_eq!(names(&headers), ["fOO-bAR", "WWW-authenticate"]);
    headers.set_names_normalizing(true);
    headers.set("www-AUTHENTICATE", "5");
    headers.append("x-y", "6");
    assert_eq!(names(&headers), ["fOO-bAR", "Www-Authenticate", "X-Y"]);
    assert!(headers.remove("foo-BAR"));
    assert_eq!(headers.len(), 2);
}

#[test]
fn hdr_02_names_as_given_cannot_make_a_second_line() {
    let mut headers = as_given();
    headers.append("a\r\nb: c", "1\r\nd: 2");
    headers.set("e\0 ü", "3");
    headers.append("", "no name");
    let expected = [("a--b--c", &b"1  d: 2"[..]), ("e----", b"3")];
    assert!(headers.iter().eq(expected), "{headers:?}");
    headers.set("a\r\nb: c", "again");
    assert_eq!(headers.len(), 2);
}

#[test]
fn hdr_04_values_names_order_and_count() {
    let headers = Headers::from_iter([("b", "1"), ("a", ""), ("B", "2"), ("c", "3"), ("A", "4"), ("b", "5")]);
    assert_eq!(headers.len(), 6);
    assert!(headers.names().eq(["B", "A", "C"]));
    assert_eq!(headers.get_all("b").collect::<Vec<_>>(), [b"1", b"2", b"5"]);
    assert_eq!(headers.get_all("a").collect::<Vec<_>>(), [&b""[..], b"4"]);
    assert_eq!(headers.get_all("d").count(), 0);
    let fields = headers.fields();
    let all: Vec<(&str, &[u8])> = fields.iter().collect();
    let expected: [(&str, &[u8]); 6] =
        [("B", b"1"), ("A", b""), ("B", b"2"), ("C", b"3"), ("A", b"4"), ("B", b"5")];
    assert_eq!(all, expected);
    assert_eq!((fields.iter().len(), fields.iter().next_back()), (6, Some(expected[5])));
    let mut count = 0;
    for (name, value) in &headers {
        assert!(fields.into_iter().any(|pair| pair == (name, value)));
        count += 1;
    }
    assert_eq!(count, 6);
}

#[test]
fn hdr_10_a_list_is_copied_whole_and_emptied_whole() {
    let mut source = as_given();
    source.extend([("cookie", "a=1"), ("Cookie", "b=2"), ("x-empty", "")]);
    let mut copy = Headers::from_iter([("old", "gone")]);
    copy.clone_from(&source);
    assert!(copy.iter().eq(source.iter()) && keeps_names(&copy));
    let mut copy = Headers::from_iter([("old", "gone")]);
    copy.copy_from(source.fields());
    assert!(copy.iter().eq(source.iter()) && !keeps_names(&copy));
    // A copy has its own life.
    copy.set("cookie", "c=3");
    assert_eq!(source.get_all("cookie").count(), 2);
    std::mem::swap(&mut copy, &mut source);
    assert_eq!((copy.get_all("cookie").count(), source.get_str("cookie")), (2, Some("c=3")));
    copy.clear();
    assert!(copy.is_empty() && copy.names().next().is_none() && keeps_names(&copy));
}

#[test]
fn hdr_09_connection_is_a_list_of_tokens() {
    for (lines, expected) in [
        (&["upgrade"][..], true),
        (&["Upgrade"], true),
        (&["keep-alive, Upgrade"], true),
        (&["keep-alive,\tUPGRADE ,x"], true),
        (&["close", "upgrade"], true),
        (&[",,upgrade,,"], true),
        (&[], false),
        (&[""], false),
        (&["upgraded"], false),
        (&["up grade"], false),
        (&["keep-alive upgrade"], false),
        (&["x-upgrade, upgrade-x"], false),
        (&["upgrade;q=1"], false),
    ] {
        assert_eq!(header::has_token(lines.iter().copied(), "upgrade"), expected, "{lines:?}");
    }
}

#[track_caller]
fn check_params(value: &str, expected: &[(&str, &str)]) {
    let found: Vec<(&str, &[u8])> = header::Params::new(value.as_bytes()).collect();
    let expected: Vec<(&str, &[u8])> = expected.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    assert_eq!(found, expected, "{value:?}");
}

#[test]
fn hdr_09_parameters_up_to_the_first_malformed_one() {
    // Nothing to tell.
    check_params("", &[]);
    check_params("text/plain", &[]);
    check_params("text/plain;", &[]);
    check_params("a=b", &[]);
    // Well-formed.
    check_params("text/plain;a=b", &[("a", "b")]);
    check_params("text/plain ; a=b\t;\tC=D ;", &[("a", "b"), ("C", "D")]);
    check_params("x; a=1; a=2; *=!#$", &[("a", "1"), ("a", "2"), ("*", "!#$")]);
    check_params(r#"x; a="b c;d=e"; f="""#, &[("a", "b c;d=e"), ("f", "")]);
    check_params(r#"x; a="\"\\"; b=c"#, &[("a", r#"\"\\"#), ("b", "c")]);
    check_params("x;; ;a=b", &[("a", "b")]);
    // The first malformed one ends it.
    check_params("x; a=b; c; d=e", &[("a", "b")]);
    check_params("x; a=b; c=; d=e", &[("a", "b")]);
    check_params("x; a=b; c =d; e=f", &[("a", "b")]);
    check_params("x; a=b; c= d; e=f", &[("a", "b")]);
    check_params("x; a=b; =c; d=e", &[("a", "b")]);
    check_params(r#"x; a=b; c="d; e=f"#, &[("a", "b")]);
    check_params(r#"x; a=b; c="d\"; e=f"#, &[("a", "b")]);
    check_params(r#"x; a=b; "c"=d"#, &[("a", "b")]);
    check_params("x; a=b c; d=e", &[]);
    check_params(r#"x; a="b"c; d=e"#, &[]);
}

#[test]
fn hdr_09_the_boundary_is_a_parameter() {
    let boundary = |value: &'static str| {
        header::Params::new(value.as_bytes())
            .get("boundary")
            .map(|found| String::from_utf8_lossy(&found).into_owned())
    };
    assert_eq!(boundary("multipart/form-data; boundary=foobar").as_deref(), Some("foobar"));
    assert_eq!(boundary("multipart/form-data;BOUNDARY=foobar").as_deref(), Some("foobar"));
    assert_eq!(boundary("multipart/form-data; charset=utf-8; boundary=f-'1; x=y").as_deref(), Some("f-'1"));
    assert_eq!(boundary(r#"multipart/form-data; boundary="a b:=?""#).as_deref(), Some("a b:=?"));
    assert_eq!(boundary("multipart/form-data; aboundary=x"), None);
    assert_eq!(boundary(r#"multipart/form-data; x="; boundary=no""#), None);
}

#[test]
fn hdr_09_three_forms_of_ranges_are_written() {
    for (range, expected) in [
        (RangeSpec::Between(ByteRange::new(0, 0).unwrap()), "bytes=0-0"),
        (ByteRange::new(123, 456).unwrap().into(), "bytes=123-456"),
        ((7..).into(), "bytes=7-"),
        (RangeSpec::Last(4), "bytes=-4"),
        (RangeSpec::StartingAt(u64::MAX), "bytes=18446744073709551615-"),
    ] {
        let mut headers = Headers::new();
        headers.set("Range", range.to_value());
        assert_eq!(headers.get_str("range"), Some(expected));
        assert_eq!(RangeSpec::parse(&expected.as_bytes()[6..]), Some(range));
    }
}

#[test]
fn hdr_09_ranges_are_read_against_a_length() {
    let read = |value: &str, length: u64| {
        ByteRanges::parse(value.as_bytes(), length)
            .map(|ranges| ranges.map(ByteRange::bounds).collect::<Vec<_>>())
    };
    for (value, length, start, end) in [
        ("bytes=0-0", 1, 0, 1),
        ("bytes=1234-6789", 6790, 1234, 6790),
        ("bytes=123-", 456, 123, 456),
        ("bytes=-1", 1, 0, 1),
        ("bytes=-123", 456, 333, 456),
        ("bytes=-600", 456, 0, 456),
        ("bytes=0-99999999999999999999999", 5, 0, 5),
        ("BYTES= 2-3 ", 5, 2, 4),
        ("bytes=007-0008", 20, 7, 9),
        ("bytes=,1-1,", 20, 1, 2),
    ] {
        assert_eq!(read(value, length), Ok(std::iter::once(start..end).collect()), "{value:?}");
    }
    assert_eq!(read("bytes=0-1,9-, 100-,-2 ,3-500", 10), Ok(vec![0..2, 9..10, 8..10, 3..10]));

    for value in ["bytes=1-", "bytes=5-9", "bytes=-0", "bytes=1-,2-3", "bytes=99999999999999999999999-"] {
        assert_eq!(read(value, 1), Err(RangeError::Unsatisfiable), "{value:?}");
    }
    for value in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
        assert_eq!(read(value, 0), Err(RangeError::Unsatisfiable), "{value:?} of nothing");
    }
    for value in [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=1",
        "bytes=2-1",
        "bytes=a-b",
        "bytes=1-2-3",
        "bytes=--1",
        "bytes=+1-2",
        "bytes=0x1-",
        "bytes=1 -2",
        "bytes = 1-2",
        "bytes=0-1;2-3",
        "bytes=0-1,x",
        "=0-1",
    ] {
        assert_eq!(read(value, 100), Err(RangeError::Malformed), "{value:?}");
    }
    assert_eq!(read("lines=0-1", 100), Err(RangeError::OtherUnit));
}

#[test]
fn hdr_09_the_number_of_ranges_is_bounded() {
    let most = format!("bytes={}", vec!["0-"; ByteRanges::MAX].join(","));
    let ranges = ByteRanges::parse(most.as_bytes(), 1 << 60).expect("as many as are allowed");
    assert_eq!((ranges.len(), ranges.total_len()), (ByteRanges::MAX, u64::MAX));
    let more = format!("{most},0-");
    assert_eq!(ByteRanges::parse(more.as_bytes(), 9).err(), Some(RangeError::TooMany));
    // Those that lie behind the end count too.
    let behind = format!("bytes={}", vec!["10-"; ByteRanges::MAX + 1].join(","));
    assert_eq!(ByteRanges::parse(behind.as_bytes(), 9).err(), Some(RangeError::TooMany));
}

#[test]
fn hdr_09_content_range_both_ways() {
    let part =
        |first, last, length| ContentRange::Part { range: ByteRange::new(first, last).unwrap(), length };
    for (value, expected) in [
        ("bytes 0-0/1", part(0, 0, Some(1))),
        ("bytes 123-456/789", part(123, 456, Some(789))),
        ("bytes 5-9/*", part(5, 9, None)),
        ("bytes */0", ContentRange::Unsatisfied { length: 0 }),
        ("bytes */18446744073709551615", ContentRange::Unsatisfied { length: u64::MAX }),
    ] {
        assert_eq!(expected.to_string(), value);
        assert_eq!(ContentRange::parse(value.as_bytes()), Some(expected));
    }
    assert_eq!(ContentRange::parse(b"Bytes 1-2/3"), Some(part(1, 2, Some(3))));
    for value in [
        "",
        "bytes",
        "bytes ",
        "bytes 0-1",
        "bytes 0-1/",
        "bytes 2-1/9",
        "bytes 0-9/9",
        "bytes -1/9",
        "bytes 1-/9",
        "bytes */*",
        "bytes=0-1/9",
        "bytes  0-1/9",
        "bytes 0-1/9 ",
        "bytes +0-1/9",
        "bytes 0-18446744073709551615/*",
        "bytes 0-1/99999999999999999999",
        "lines 0-1/9",
    ] {
        assert_eq!(ContentRange::parse(value.as_bytes()), None, "{value:?}");
    }
}

#[test]
fn dates_in_all_forms() {
    let seconds = |text: &str| {
        let time: SystemTime = header::parse_http_date(text.as_bytes())?;
        Some(time.duration_since(UNIX_EPOCH).expect("not before the epoch").as_secs())
    };
    for (text, expected) in [
        ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
        ("Sunday, 06-Nov-94 08:49:37 GMT", Some(784_111_777)),
        ("Sun Nov  6 08:49:37 1994", Some(784_111_777)),
        ("Thu Feb 29 00:00:00 2024", Some(1_709_164_800)),
        ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", Some(253_402_300_799)),
        ("Mon, 06 Nov 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 08:49:37 UTC", None),
        ("Sun, 6 Nov 1994 08:49:37 GMT", None),
        ("Wed, 29 Feb 2023 00:00:00 GMT", None),
        ("Sun, 06 Nov 1994 24:49:37 GMT", None),
        ("Wed, 31 Dec 1969 23:59:59 GMT", None),
        ("1994-11-06T08:49:37Z", None),
        ("", None),
    ] {
        assert_eq!(seconds(text), expected, "{text:?}");
    }
    let before = UNIX_EPOCH - Duration::from_secs(1);
    assert_eq!(header::format_http_date(before).as_str(), "Thu, 01 Jan 1970 00:00:00 GMT");
    let after = UNIX_EPOCH + Duration::from_secs(300_000_000_000);
    assert_eq!(header::format_http_date(after).as_str(), "Fri, 31 Dec 9999 23:59:59 GMT");
}

#[test]
fn entity_tags_are_compared_weakly_and_strongly() {
    let tag = |text: &'static str| EntityTag::parse(text.as_bytes()).expect(text);
    // The table of RFC 9110 section 8.8.3.2.
    for (one, other, strongly, weakly) in [
        (r#"W/"1""#, r#"W/"1""#, false, true),
        (r#"W/"1""#, r#"W/"2""#, false, false),
        (r#"W/"1""#, r#""1""#, false, true),
        (r#""1""#, r#""1""#, true, true),
    ] {
        assert_eq!(tag(one).strong_eq(tag(other)), strongly, "{one} {other}");
        assert_eq!(tag(one).weak_eq(tag(other)), weakly, "{one} {other}");
    }
    for bad in
        ["", "\"", "W/", "W/\"", "w/\"1\"", "1", "\"1", "1\"", "\"a b\"", "\"a\"b", "\"a\"\"", "W/ \"1\""]
    {
        assert!(EntityTag::parse(bad.as_bytes()).is_none(), "{bad:?}");
    }
    assert_eq!(tag(r#" "" "#).opaque(), b"");
}

#[test]
fn lists_of_entity_tags() {
    let current = EntityTag::parse(br#""b,\""#);
    assert!(current.is_some());
    for (lines, weakly, strongly) in [
        (&[r#""b,\""#][..], true, true),
        (&[r#""a", "b,\""#], true, true),
        (&[r#""a" , W/"b,\""#], true, false),
        (&[r#""a""#, r#",,"b,\","#], true, true),
        (&["*"], true, true),
        (&[" * "], true, true),
        // What is no tag is skipped, and the next one counts.
        (&[r#"junk, "b,\""#], true, true),
        (&[r#""open, "b,\""#], true, true),
        (&[], false, false),
        (&[""], false, false),
        (&[r#""b""#], false, false),
        (&[r"b,\"], false, false),
        (&[r#""b,\"x, "a""#], false, false),
        (&[r#""a", *"#], false, false),
    ] {
        let list = EntityTagList::new(lines.iter().copied());
        assert_eq!(list.matches_weakly(current), weakly, "{lines:?}");
        assert_eq!(list.matches_strongly(current), strongly, "{lines:?}");
        assert_eq!(list.matches_weakly(None), list.is_any(), "{lines:?}");
    }
}

#[test]
fn hdr_12_codings_a_client_accepts() {
    for (lines, coding, expected) in [
        (&["gzip;q=1"][..], "gzip", true),
        (&["gzip; q=1.000"], "gzip", true),
        (&["deflate,gzip"], "gzip", true),
        (&["gzip, deflate"], "gzip", true),
        (&["GZIP"], "gzip", true),
        (&["gzip"], "GZip", true),
        (&["*"], "gzip", true),
        (&["*"], "anything", true),
        (&["x-gzip"], "gzip", true),
        (&["gzip"], "x-gzip", true),
        (&["br", "gzip"], "gzip", true),
        (&["bogus;q=9, gzip"], "gzip", true),
        (&["gzip;q=0.001"], "gzip", true),
        (&["*;q=0, gzip"], "gzip", true),
        (&["gzip;q=0"], "gzip", false),
        (&["gzip;q=0.000"], "gzip", false),
        (&["gzip ; Q=0"], "gzip", false),
        (&["*, gzip;q=0"], "gzip", false),
        (&["*;q=0"], "gzip", false),
        (&["gzipped, agzip, gzi, zip"], "gzip", false),
        (&["gzip;q=1.5"], "gzip", false),
        (&[""], "gzip", false),
        (&[], "gzip", false),
        (&[], "identity", true),
        (&[""], "identity", true),
        (&["gzip"], "identity", true),
        (&["identity;q=0"], "identity", false),
        (&["*;q=0"], "identity", false),
        (&["*;q=0, identity;q=0.1"], "identity", true),
    ] {
        let accepted = AcceptEncoding::new(lines.iter().copied());
        assert_eq!(accepted.accepts(coding), expected, "{coding} by {lines:?}");
    }
}

#[test]
fn hdr_12_the_coding_a_client_prefers() {
    let offers = ["br", "zstd", "gzip", "identity"];
    for (line, expected) in [
        ("gzip, deflate, br, zstd", Some("br")),
        ("gzip;q=1.0, br;q=0.9", Some("gzip")),
        ("gzip;q=0.1", Some("gzip")),
        ("identity, gzip;q=0.5", Some("identity")),
        ("*", Some("br")),
        ("br;q=0, *", Some("zstd")),
        ("*;q=0.5, zstd;q=0.6", Some("zstd")),
        ("deflate", Some("identity")),
        ("", Some("identity")),
        ("identity;q=0, deflate", None),
        ("*;q=0", None),
    ] {
        assert_eq!(AcceptEncoding::new([line]).preferred(offers), expected, "{line:?}");
    }
    let headers = Headers::from_iter([("Accept-Encoding", "gzip;q=0.5"), ("Accept-Encoding", "br;q=0.7")]);
    let joined = AcceptEncoding::new(headers.get_all("accept-encoding"));
    assert_eq!(joined.preferred(&offers), Some(&"br"));
    assert_eq!(joined.quality("gzip"), Quality::from_thousandths(500).unwrap());
}

#[test]
fn media_types_by_the_most_specific_range() {
    // The example of RFC 9110 section 12.5.1.
    let line =
        "text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, text/plain;format=fixed;q=0.4, */*;q=0.5";
    let accepted = Accept::new([line]);
    for (media_type, thousandths) in [
        ("text/plain;format=flowed", 1000),
        ("text/plain", 700),
        ("text/html", 300),
        ("image/jpeg", 500),
        ("text/plain;format=fixed", 400),
        ("text/html;level=3", 300),
        ("TEXT/Plain ; charset=utf-8; Format=\"fixed\"", 400),
    ] {
        assert_eq!(accepted.quality(media_type).thousandths(), thousandths, "{media_type}");
    }
    // What an old client sends, with a bare star and a weight without its zero.
    let accepted = Accept::new(["text/html, image/gif, *; q=.2, */*; q=.2"]);
    assert_eq!(accepted.quality("application/json").thousandths(), 200);
    let twice = Accept::new(["a/*;q=0.1, a/b;q=0.2, a/b;q=0.9", "a/*;q=0.8"]);
    assert_eq!(["a/b", "a/c"].map(|media_type| twice.quality(media_type).thousandths()), [200, 100]);
    for silent in [&[][..], &[""], &["text"], &["*/html, ,a/b;q=7"]] {
        assert!(Accept::new(silent.iter().copied()).accepts("text/html"), "{silent:?}");
    }
    let accepted = Accept::new([r#"a/b;x="1,2", c/*"#]);
    for (media_type, expected) in
        [("a/b", false), ("a/b;x=\"1,2\"", true), ("c/d", true), ("cc/d", false), ("c", false), ("", false)]
    {
        assert_eq!(accepted.accepts(media_type), expected, "{media_type:?}");
    }
}

#[test]
fn languages_by_the_longest_range() {
    let accepted = AcceptLanguage::new(["da, en-GB;q=0.8", "en;q=0.7, en-au-x;q=0"]);
    for (tag, thousandths) in [
        ("da", 1000),
        ("DA-dk", 1000),
        ("dab", 0),
        ("en-gb", 800),
        ("en-GB-oed", 800),
        ("en", 700),
        ("en-AU", 700),
        ("en-AU-x-y", 0),
        ("de", 0),
        ("", 0),
    ] {
        assert_eq!(accepted.quality(tag).thousandths(), thousandths, "{tag:?}");
    }
    assert_eq!(accepted.preferred(["de", "en-AU", "en-GB"]), Some("en-GB"));
    let twice = AcceptLanguage::new(["*;q=0.1, de;q=0.2, DE;q=0.9", "*;q=0.8"]);
    assert_eq!(["de", "en"].map(|tag| twice.quality(tag).thousandths()), [200, 100]);
    for silent in ["", "1234567890", "e_n", "-", "en-"] {
        assert!(AcceptLanguage::new([silent]).accepts("de"), "{silent:?}");
    }
}

/// Calls every reader with `value`. What they return is only looked at where it must agree.
fn read_everything(value: &[u8]) {
    let lines = [value, value];
    let mut params = header::Params::new(value);
    params.by_ref().for_each(|(name, raw)| {
        assert!(!name.is_empty() && header::Params::unescape(raw).len() <= raw.len())
    });
    assert_eq!(params.next(), None);
    let _ = header::Params::new(value).get("q");
    assert_eq!(header::has_token([value], "a"), header::has_token(lines, "a"));
    for member in header::Weighted::list(lines) {
        assert!(!member.value().is_empty() && member.quality() <= Quality::ONE);
    }
    let codings = AcceptEncoding::new(lines);
    assert_eq!(codings.preferred(["a", "gzip"]).is_some(), codings.accepts("a") || codings.accepts("gzip"));
    let types = Accept::new(lines);
    assert_eq!(types.preferred(["a/b;c=d"]).is_some(), types.accepts("a/b;c=d"));
    let languages = AcceptLanguage::new(lines);
    assert_eq!(languages.preferred(["a-b"]).is_some(), languages.accepts("a-b"));
    for length in [0, 1, 10, u64::MAX] {
        let Ok(ranges) = ByteRanges::parse(value, length) else { continue };
        assert!(ranges.len() > 0 && ranges.len() <= ByteRanges::MAX);
        assert_eq!(ranges.clone().count(), ranges.len());
        assert!(ranges.clone().all(|range| range.first() <= range.last() && range.last() < length));
    }
    if let Some(range) = ContentRange::parse(value) {
        assert_eq!(ContentRange::parse(range.to_string().as_bytes()), Some(range));
    }
    if let Some(time) = header::parse_http_date(value) {
        assert_eq!(header::parse_http_date(header::format_http_date(time).as_bytes()), Some(time));
    }
    let tags = EntityTagList::new(lines);
    assert!(tags.iter().all(|tag| EntityTag::parse(tag.as_bytes()).is_some_and(|same| same.weak_eq(tag))));
    assert!(tags.iter().take(2).all(|tag| tags.matches_weakly(Some(tag))));
}

#[test]
fn values_cut_off_anywhere_have_a_reading() {
    for value in [
        &br#"text/html;level="1\"";q=0.25;x=y, */*;q=.2, a/*"#[..],
        b"bytes=0-1, 5-, -18446744073709551616",
        b"bytes 0-1/18446744073709551615",
        b"Sun, 06 Nov 1994 08:49:37 GMT",
        b"Sunday, 06-Nov-94 08:49:37 GMT",
        b"Sun Nov  6 08:49:37 1994",
        b"W/\"a\\\", \"b\" , W/\"\", *",
    ] {
        for cut in 0..=value.len() {
            read_everything(&value[..cut]);
            read_everything(&value[cut..]);
        }
    }
}

#[test]
fn reading_takes_time_in_proportion_to_the_length() {
    let time_for = |units: usize| {
        let start = std::time::Instant::now();
        for unit in [r#"",""#, "\"", ",", ";", "a,", ";a=b", ";a=\"", "\\\"", "0-,", "*,", "W/\"", "a;q=0,"] {
            for end in ["", " ", "\""] {
                let value = [unit.repeat(units), end.repeat(10 * units)].concat();
                read_everything(value.as_bytes());
            }
        }
        start.elapsed()
    };
    // With a pass over the rest per element it would be 64 times as much. Something else may have had the CPU, so there
    // is another try.
    assert!((0..5).any(|_| time_for(8_000) < 24 * time_for(1_000)), "more than in proportion");
}

proptest! {
    #[test]
    fn any_bytes_have_a_reading(value in proptest::collection::vec(any::<u8>(), 0..40)) {
        read_everything(&value);
    }

    #[test]
    fn likely_bytes_have_a_reading(
        start in prop_oneof![Just(""), Just("bytes="), Just("bytes "), Just("a;"), Just("W/\"")],
        rest in r#"[a*/;,=q"\\ .\-019]{0,24}"#,
    ) {
        read_everything(format!("{start}{rest}").as_bytes());
    }

    #[test]
    fn hdr_09_ranges_agree_with_arithmetic(
        length in 0u64..40,
        asked in proptest::collection::vec((0u64..50, proptest::option::of(0u64..50), any::<bool>()), 1..6),
    ) {
        let specs: Vec<String> = asked
            .iter()
            .map(|&(first, more, is_suffix)| match more {
                _ if is_suffix => format!("-{first}"),
                Some(more) => format!("{first}-{}", first + more),
                None => format!("{first}-"),
            })
            .collect();
        // Position by position: is this byte of the content asked for?
        let expected: Vec<Vec<u64>> = asked
            .iter()
            .map(|&(first, more, is_suffix)| {
                let is_meant = |position: &u64| match more {
                    _ if is_suffix => length - position <= first,
                    Some(more) => *position >= first && *position <= first + more,
                    None => *position >= first,
                };
                (0..length).filter(is_meant).collect()
            })
            .filter(|positions: &Vec<u64>| !positions.is_empty())
            .collect();
        let value = format!("bytes={}", specs.join(", "));
        match ByteRanges::parse(value.as_bytes(), length) {
            Ok(ranges) => {
                prop_assert_eq!(ranges.total_len(), expected.iter().map(|part| part.len() as u64).sum::<u64>());
                let found: Vec<Vec<u64>> = ranges.map(|range| range.bounds().collect()).collect();
                prop_assert_eq!(found, expected);
            }
            Err(error) => {
                prop_assert_eq!(error, RangeError::Unsatisfiable);
                prop_assert!(expected.is_empty());
            }
        }
    }

    #[test]
    fn hdr_12_qualities_agree_with_a_table(
        listed in proptest::collection::vec(("gzip|br|identity|\\*", 0u16..=1000), 0..6),
        breaks in any::<u8>(),
    ) {
        let lines: Vec<String> = {
            let mut lines = vec![String::new()];
            for (index, (name, thousandths)) in listed.iter().enumerate() {
                if breaks >> index & 1 == 1 {
                    lines.push(String::new());
                }
                let line = lines.last_mut().expect("the one it began with");
                let comma = if line.is_empty() { "" } else { ", " };
                line.push_str(&format!("{comma}{name};q={:.3}", f64::from(*thousandths) / 1000.0));
            }
            lines
        };
        let first = |wanted: &str| {
            listed.iter().find(|(name, _)| name == wanted).map(|&(_, thousandths)| thousandths)
        };
        let accepted = AcceptEncoding::new(&lines);
        for (coding, unlisted) in [("gzip", 0), ("br", 0), ("identity", 1)] {
            let expected = first(coding).or(first("*")).unwrap_or(unlisted);
            prop_assert_eq!(accepted.quality(coding).thousandths(), expected, "{} by {:?}", coding, &lines);
        }
    }

    #[test]
    fn every_second_is_written_as_it_is_read(seconds in 0u64..=253_402_300_799, nanos in 0u32..1_000_000_000) {
        let time = UNIX_EPOCH + Duration::new(seconds, nanos);
        let text = header::format_http_date(time);
        prop_assert_eq!(text.len(), 29);
        prop_assert_eq!(header::parse_http_date(text.as_bytes()), Some(UNIX_EPOCH + Duration::from_secs(seconds)));
    }
}
