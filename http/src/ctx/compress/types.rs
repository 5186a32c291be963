//! Which types of content become shorter.

use crate::util::token;

/// Types that are compressed.
#[derive(Clone, Debug, Default)]
pub(super) enum TypeList {
    /// What fasthttp compresses, without what is compressed already.
    #[default]
    Usual,
    /// Those of the user: a type, `text/*`, `*/*`; in lower case.
    These(Vec<String>),
}

/// Of these the usual types begin so.
const USUAL: [&str; 6] = ["text/", "application/", "font/", "multipart/", "image/svg", "image/x-icon"];

/// And these are compressed in themselves, though they begin so, or nobody knows whether they are. Of a large body it
/// would be seen too late.
const COMPRESSED: [&str; 19] = [
    "application/brotli",
    "application/gzip",
    "application/java-archive",
    "application/octet-stream",
    "application/ogg",
    "application/pdf",
    "application/vnd.android.package-archive",
    "application/vnd.oasis.opendocument.",
    "application/vnd.openxmlformats-officedocument.",
    "application/vnd.rar",
    "application/x-7z-compressed",
    "application/x-bzip",
    "application/x-gzip",
    "application/x-rar-compressed",
    "application/x-xz",
    "application/zip",
    "application/zlib",
    "application/zstd",
    "font/woff",
];

/// Longer ones are nobody's.
const LONGEST: usize = 128;

impl TypeList {
    pub(super) fn of<T: AsRef<str>>(types: impl IntoIterator<Item = T>) -> Self {
        let lower = |type_: T| type_.as_ref().trim().to_ascii_lowercase();
        Self::These(types.into_iter().map(lower).collect())
    }

    /// Whether content of the type in `value`, a `Content-Type`, is compressed.
    pub(super) fn has(&self, value: &[u8]) -> bool {
        let end = memchr::memchr(b';', value).unwrap_or(value.len());
        let type_ = token::trim(&value[..end]);
        let mut lower = [0; LONGEST];
        let Some(lower) = lower.get_mut(..type_.len()) else { return false };
        lower.copy_from_slice(type_);
        lower.make_ascii_lowercase();
        let type_ = &*lower;
        let begins = |with: &str| type_.starts_with(with.as_bytes());
        match self {
            Self::Usual => {
                let is_archive = COMPRESSED.iter().any(|known| begins(known)) || type_.ends_with(b"+zip");
                USUAL.iter().any(|known| begins(known)) && !is_archive
            }
            Self::These(types) => types.iter().any(|known| match known.strip_suffix('*') {
                Some("*/" | "") => true,
                Some(family) => begins(family),
                None => type_ == known.as_bytes(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cmp_03_types_that_become_shorter() {
        let usual = TypeList::default();
        for worth in [
            "text/plain",
            "Text/HTML; charset=utf-8",
            "application/json",
            "application/vnd.api+json",
            "application/wasm",
            "image/svg+xml",
            "image/x-icon",
            "font/ttf",
            "multipart/mixed; boundary=x",
            " text/event-stream ",
        ] {
            assert!(usual.has(worth.as_bytes()), "{worth}");
        }
        for not in [
            "image/jpeg",
            "image/png",
            "video/mp4",
            "audio/ogg",
            "font/woff2",
            "application/octet-stream",
            "application/pdf",
            "application/zip",
            "application/epub+zip",
            "application/x-gzip",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "",
            "plain",
        ] {
            assert!(!usual.has(not.as_bytes()), "{not}");
        }
        assert!(!usual.has("text/".repeat(100).as_bytes()));
    }

    #[test]
    fn cmp_03_types_that_somebody_has_named() {
        let some = TypeList::of(["text/*", "Application/JSON"]);
        for (type_, is_there) in [
            ("text/html", true),
            ("application/json;charset=utf-8", true),
            ("application/json2", false),
            ("application/xml", false),
        ] {
            assert_eq!(some.has(type_.as_bytes()), is_there, "{type_}");
        }
        assert!(TypeList::of(["*/*"]).has(b"image/jpeg"));
        assert!(!TypeList::of([""; 0]).has(b"text/plain"));
    }
}
