//! Media types by the extension of a name.
//!
//! Source: the registrations of IANA, and for scripts RFC 9239; where something else is what browsers and servers use,
//! that.

use std::borrow::Cow;

/// The media type that goes with an extension, in any case and without its dot.
///
/// ```
/// use anthill_http::files::media_type;
/// assert_eq!(media_type("html"), Some("text/html"));
/// assert_eq!(media_type("WOFF2"), Some("font/woff2"));
/// assert_eq!(media_type("unheard-of"), None);
/// ```
pub fn media_type(extension: &str) -> Option<&'static str> {
    let mut room = [0; EXTENSION_BYTES_MAX];
    let lower = room.get_mut(..extension.len())?;
    lower.copy_from_slice(extension.as_bytes());
    lower.make_ascii_lowercase();
    let found = TYPES.binary_search_by(|(known, _)| known.as_bytes().cmp(lower)).ok()?;
    Some(TYPES[found].1)
}

const EXTENSION_BYTES_MAX: usize = 16;

/// What the table says about a file of that name.
pub(super) fn type_of(path: &[u8]) -> Option<&'static str> {
    media_type(extension(path)?)
}

/// What stands behind the last dot of a path's last name; a name that only begins with a dot has no extension.
pub(super) fn extension(path: &[u8]) -> Option<&str> {
    let name = path.rsplit(|&byte| byte == b'/').next()?;
    let dot = memchr::memrchr(b'.', name).filter(|dot| *dot > 0)?;
    std::str::from_utf8(&name[dot + 1..]).ok()
}

/// The types that a handler has been given.
#[derive(Clone, Debug, Default)]
pub(super) struct TypeTable {
    own: Vec<(String, String)>,
}

impl TypeTable {
    /// `extension`: without its dot, or with it.
    pub(super) fn add(&mut self, extension: &str, media_type: String) {
        let extension = extension.trim_start_matches('.').to_owned();
        self.own.retain(|(known, _)| !known.eq_ignore_ascii_case(&extension));
        self.own.push((extension, media_type));
    }

    /// The types that were added.
    pub(super) fn own(&self) -> &[(String, String)] {
        &self.own
    }

    /// The type that was added for an extension.
    pub(super) fn added(&self, extension: &str) -> Option<&str> {
        let own = self.own.iter().find(|(known, _)| known.eq_ignore_ascii_case(extension));
        own.map(|(_, own)| own.as_str())
    }
}

/// `media_type` with this charset, if it is one of text that says none.
pub(super) fn with_charset(media_type: Cow<'static, str>, charset: Option<&str>) -> Cow<'static, str> {
    let is_text = media_type.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("text/"));
    match charset {
        Some(charset) if is_text && !media_type.contains(';') => {
            format!("{media_type}; charset={charset}").into()
        }
        _ => media_type,
    }
}

/// By extension, in the order of their bytes.
static TYPES: [(&str, &str); 171] = [
    ("3g2", "video/3gpp2"),
    ("3gp", "video/3gpp"),
    ("7z", "application/x-7z-compressed"),
    ("aac", "audio/aac"),
    ("adoc", "text/asciidoc"),
    ("aif", "audio/aiff"),
    ("aiff", "audio/aiff"),
    ("apk", "application/vnd.android.package-archive"),
    ("apng", "image/apng"),
    ("appcache", "text/cache-manifest"),
    ("asc", "text/plain"),
    ("atom", "application/atom+xml"),
    ("avi", "video/x-msvideo"),
    ("avif", "image/avif"),
    ("azw", "application/vnd.amazon.ebook"),
    ("bin", "application/octet-stream"),
    ("bmp", "image/bmp"),
    ("br", "application/x-brotli"),
    ("bz2", "application/x-bzip2"),
    ("c", "text/x-c"),
    ("cbor", "application/cbor"),
    ("cc", "text/x-c"),
    ("cer", "application/pkix-cert"),
    ("cjs", "text/javascript"),
    ("conf", "text/plain"),
    ("cpp", "text/x-c"),
    ("crl", "application/pkix-crl"),
    ("crt", "application/x-x509-ca-cert"),
    ("crx", "application/x-chrome-extension"),
    ("css", "text/css"),
    ("csv", "text/csv"),
    ("cur", "image/x-icon"),
    ("dart", "text/x-dart"),
    ("deb", "application/vnd.debian.binary-package"),
    ("diff", "text/x-diff"),
    ("dll", "application/octet-stream"),
    ("dmg", "application/x-apple-diskimage"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("dot", "application/msword"),
    ("dtd", "application/xml-dtd"),
    ("eot", "application/vnd.ms-fontobject"),
    ("eps", "application/postscript"),
    ("epub", "application/epub+zip"),
    ("exe", "application/octet-stream"),
    ("flac", "audio/flac"),
    ("flv", "video/x-flv"),
    ("geojson", "application/geo+json"),
    ("gif", "image/gif"),
    ("glb", "model/gltf-binary"),
    ("gltf", "model/gltf+json"),
    ("go", "text/x-go"),
    ("gpx", "application/gpx+xml"),
    ("gz", "application/gzip"),
    ("h", "text/x-c"),
    ("heic", "image/heic"),
    ("heif", "image/heif"),
    ("htc", "text/x-component"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("ico", "image/x-icon"),
    ("ics", "text/calendar"),
    ("img", "application/octet-stream"),
    ("ini", "text/plain"),
    ("iso", "application/x-iso9660-image"),
    ("jar", "application/java-archive"),
    ("jfif", "image/jpeg"),
    ("jpe", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript"),
    ("json", "application/json"),
    ("json5", "application/json5"),
    ("jsonld", "application/ld+json"),
    ("jsonml", "application/jsonml+json"),
    ("jxl", "image/jxl"),
    ("key", "application/vnd.apple.keynote"),
    ("kml", "application/vnd.google-earth.kml+xml"),
    ("kmz", "application/vnd.google-earth.kmz"),
    ("log", "text/plain"),
    ("lua", "text/x-lua"),
    ("m3u", "audio/x-mpegurl"),
    ("m3u8", "application/vnd.apple.mpegurl"),
    ("m4a", "audio/mp4"),
    ("m4v", "video/mp4"),
    ("map", "application/json"),
    ("markdown", "text/markdown"),
    ("md", "text/markdown"),
    ("mid", "audio/midi"),
    ("midi", "audio/midi"),
    ("mjs", "text/javascript"),
    ("mkv", "video/matroska"),
    ("mml", "text/mathml"),
    ("mobi", "application/x-mobipocket-ebook"),
    ("mov", "video/quicktime"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("mpd", "application/dash+xml"),
    ("mpeg", "video/mpeg"),
    ("mpg", "video/mpeg"),
    ("mpga", "audio/mpeg"),
    ("msi", "application/octet-stream"),
    ("nt", "application/n-triples"),
    ("odp", "application/vnd.oasis.opendocument.presentation"),
    ("ods", "application/vnd.oasis.opendocument.spreadsheet"),
    ("odt", "application/vnd.oasis.opendocument.text"),
    ("oga", "audio/ogg"),
    ("ogg", "audio/ogg"),
    ("ogv", "video/ogg"),
    ("opus", "audio/ogg"),
    ("otf", "font/otf"),
    ("p12", "application/x-pkcs12"),
    ("patch", "text/x-diff"),
    ("pdf", "application/pdf"),
    ("pem", "application/x-pem-file"),
    ("pgp", "application/pgp-encrypted"),
    ("pls", "audio/x-scpls"),
    ("png", "image/png"),
    ("ppt", "application/vnd.ms-powerpoint"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("ps", "application/postscript"),
    ("py", "text/x-python"),
    ("rar", "application/vnd.rar"),
    ("rdf", "application/rdf+xml"),
    ("rpm", "application/x-rpm"),
    ("rs", "text/x-rust"),
    ("rss", "application/rss+xml"),
    ("rst", "text/x-rst"),
    ("rtf", "application/rtf"),
    ("sh", "application/x-sh"),
    ("shtml", "text/html"),
    ("sig", "application/pgp-signature"),
    ("svg", "image/svg+xml"),
    ("svgz", "image/svg+xml"),
    ("tar", "application/x-tar"),
    ("text", "text/plain"),
    ("tgz", "application/gzip"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("toml", "application/toml"),
    ("torrent", "application/x-bittorrent"),
    ("ts", "video/mp2t"),
    ("tsv", "text/tab-separated-values"),
    ("ttc", "font/collection"),
    ("ttf", "font/ttf"),
    ("ttl", "text/turtle"),
    ("txt", "text/plain"),
    ("usdz", "model/vnd.usdz+zip"),
    ("vcard", "text/vcard"),
    ("vcf", "text/vcard"),
    ("vtt", "text/vtt"),
    ("wasm", "application/wasm"),
    ("wav", "audio/wav"),
    ("weba", "audio/webm"),
    ("webm", "video/webm"),
    ("webmanifest", "application/manifest+json"),
    ("webp", "image/webp"),
    ("wmv", "video/x-ms-wmv"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("xht", "application/xhtml+xml"),
    ("xhtml", "application/xhtml+xml"),
    ("xls", "application/vnd.ms-excel"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("xml", "application/xml"),
    ("xsl", "application/xslt+xml"),
    ("xz", "application/x-xz"),
    ("yaml", "application/yaml"),
    ("yml", "application/yaml"),
    ("zip", "application/zip"),
    ("zst", "application/zstd"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_in_lower_case() {
        assert!(TYPES.is_sorted_by(|one, next| one.0.as_bytes() < next.0.as_bytes()));
        for (extension, media_type) in TYPES {
            assert!(extension.len() <= EXTENSION_BYTES_MAX && extension == extension.to_ascii_lowercase());
            let (kind, rest) = media_type.split_once('/').expect("a type");
            assert!(!rest.is_empty() && kind.bytes().all(|byte| byte.is_ascii_lowercase()), "{media_type}");
            assert_eq!(super::media_type(&extension.to_uppercase()), Some(media_type));
        }
    }

    #[test]
    fn types_of_names() {
        for (name, expected) in [
            ("a.html", Some("text/html")),
            ("a/b.min.JS", Some("text/javascript")),
            ("a.tar.gz", Some("application/gzip")),
            ("a.d/b", None),
            (".html", None),
            ("a.", None),
            ("html", None),
            ("a.averyveryverylongextension", None),
            ("a.\u{e4}", None),
        ] {
            assert_eq!(type_of(name.as_bytes()), expected, "{name}");
        }
        assert_eq!(type_of(b"a.\xff"), None);
        let mut table = TypeTable::default();
        table.add(".X", "a/b".to_owned());
        table.add("html", "text/x".to_owned());
        assert_eq!((table.added("x"), table.added("HTML")), (Some("a/b"), Some("text/x")));
        assert_eq!(table.added("js"), None);
        assert_eq!(with_charset("text/x".into(), Some("utf-8")), "text/x; charset=utf-8");
        assert_eq!(with_charset("text/x; charset=a".into(), Some("utf-8")), "text/x; charset=a");
        assert_eq!(with_charset("text/x".into(), None), "text/x");
        assert_eq!(with_charset("image/x".into(), Some("utf-8")), "image/x");
    }
}
