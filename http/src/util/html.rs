//! Text within HTML.

use std::borrow::Cow;

/// `text` as it may stand in HTML, between tags and within quoted attributes (fasthttp's `AppendHTMLEscape`): `&`, `<`,
/// `>`, `"` and `'` become references. Borrows when nothing changes.
///
/// ```
/// use anthill_http::html_escape;
/// assert_eq!(html_escape("<a href=\"/?a=1&b='2'\">"), "&lt;a href=&#34;/?a=1&amp;b=&#39;2&#39;&#34;&gt;");
/// assert_eq!(html_escape("plain"), "plain");
/// ```
pub fn html_escape(text: &str) -> Cow<'_, str> {
    let Some(first) = text.bytes().position(|byte| reference(byte).is_some()) else {
        return Cow::Borrowed(text);
    };
    let mut escaped = String::with_capacity(text.len() + 16);
    escaped.push_str(&text[..first]);
    let mut rest = &text[first..];
    // What has a reference is one byte of ASCII, so text is only ever cut between letters.
    while let Some(position) = rest.bytes().position(|byte| reference(byte).is_some()) {
        escaped.push_str(&rest[..position]);
        escaped.push_str(reference(rest.as_bytes()[position]).unwrap_or_default());
        rest = &rest[position + 1..];
    }
    escaped.push_str(rest);
    Cow::Owned(escaped)
}

fn reference(byte: u8) -> Option<&'static str> {
    match byte {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        // Numbers are shorter than names, and older readers know them, too.
        b'"' => Some("&#34;"),
        b'\'' => Some("&#39;"),
        _ => None,
    }
}
