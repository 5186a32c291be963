//! The conversion tables from fasthttp: nothing of its server is left out, and what they say was tried.

use std::collections::BTreeSet;

use anthill_tests::guides::{Section, sections};

/// The public fields of fasthttp's `Server`, as of version 1.73.
const FIELDS: [&str; 37] = [
    "CloseOnShutdown",
    "Concurrency",
    "ConnState",
    "ContinueHandler",
    "DisableHeaderNamesNormalizing",
    "DisableKeepalive",
    "DisablePreParseMultipartForm",
    "ErrorHandler",
    "ExpectHandler",
    "FormValueFunc",
    "GetOnly",
    "Handler",
    "HeaderReceived",
    "IdleTimeout",
    "KeepHijackedConns",
    "LogAllErrors",
    "Logger",
    "MaxConnsPerIP",
    "MaxIdleWorkerDuration",
    "MaxKeepaliveDuration",
    "MaxRequestBodySize",
    "MaxRequestsPerConn",
    "Name",
    "NoDefaultContentType",
    "NoDefaultDate",
    "NoDefaultServerHeader",
    "ReadBufferSize",
    "ReadTimeout",
    "ReduceMemoryUsage",
    "SecureErrorLogMessage",
    "SleepWhenConcurrencyLimitsExceeded",
    "StreamRequestBody",
    "TCPKeepalive",
    "TCPKeepalivePeriod",
    "TLSConfig",
    "WriteBufferSize",
    "WriteTimeout",
];

/// The methods of that `Server`, and the functions of the package that serve or wrap handlers.
const FUNCTIONS: [&str; 21] = [
    "AppendCert",
    "AppendCertEmbed",
    "CompressHandler",
    "CompressHandlerBrotliLevel",
    "CompressHandlerLevel",
    "GetCurrentConcurrency",
    "GetOpenConnectionsCount",
    "GetRejectedConnectionsCount",
    "ListenAndServe",
    "ListenAndServeTLS",
    "ListenAndServeTLSEmbed",
    "ListenAndServeUNIX",
    "NextProto",
    "Serve",
    "ServeConn",
    "ServeTLS",
    "ServeTLSEmbed",
    "Shutdown",
    "ShutdownWithContext",
    "TimeoutHandler",
    "TimeoutWithCodeHandler",
];

fn guide() -> Vec<Section> {
    sections(include_str!("../../http/COMING_FROM.md"))
}

/// The words in what is called so elsewhere.
fn words(section: &Section) -> BTreeSet<String> {
    let words =
        section.rows.iter().flat_map(|(there, _)| there.split(|letter: char| !letter.is_alphanumeric()));
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[test]
fn every_field_of_fasthttps_server_has_its_row() {
    let [fields, functions, ..] = &guide()[..] else { panic!("no sections") };
    let told: Vec<&str> = fields.rows.iter().map(|(there, _)| there.trim_matches('`')).collect();
    let known: BTreeSet<&str> = FIELDS.into_iter().collect();
    assert_eq!(told.len(), known.len(), "a row for each");
    assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), known);

    let told = words(functions);
    let missing: Vec<_> = FUNCTIONS.into_iter().filter(|name| !told.contains(*name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The fields of its `FS` that say how files are served, and what is made for them.
const FS: [&str; 15] = [
    "AcceptByteRange",
    "AllowEmptyRoot",
    "CacheDuration",
    "CleanStop",
    "Compress",
    "CompressRoot",
    "CompressedFileSuffixes",
    "GenerateIndexPages",
    "IndexNames",
    "NewPathPrefixStripper",
    "NewPathSlashesStripper",
    "NewRequestHandler",
    "NewVHostPathRewriter",
    "PathNotFound",
    "SkipCache",
];

#[test]
fn every_field_of_its_fs_has_its_row() {
    let [.., fs] = &guide()[..] else { panic!("no section") };
    let told = words(fs);
    let missing: Vec<_> = FS.into_iter().filter(|name| !told.contains(*name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_row_of_the_conversion_tables_stands_in_the_program_below_it() {
    let elsewhere = sections(include_str!("../../http/docs/coming-from-elsewhere.md"));
    assert_eq!(elsewhere.len(), 9);
    for section in guide().iter().chain(&elsewhere) {
        section.assert_tried();
    }
}

fn docs() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../http/docs")
}

#[test]
fn every_page_of_the_guide_is_in_the_index_and_in_the_documentation() {
    let guide = std::fs::read_to_string(docs().join("../src/guide.rs")).expect("the module");
    let index = std::fs::read_to_string(docs().join("README.md")).expect("the index");
    let mut pages = 0;
    for entry in std::fs::read_dir(docs()).expect("the folder") {
        let name = entry.expect("an entry").file_name().into_string().expect("text");
        // The index is one of the folder; in the documentation the module is.
        if name.ends_with(".md") && name != "README.md" {
            assert!(index.contains(&format!("]({name})")), "{name} is not in the index");
            assert!(guide.contains(&format!("include_str!(\"../docs/{name}\")")), "{name} is not in it");
            pages += 1;
        }
    }
    assert!(pages >= 15, "{pages} pages");
}

#[test]
fn pictures_are_as_they_are_drawn() {
    for (name, picture) in anthill_tests::pictures::all() {
        let file = std::fs::read_to_string(docs().join(name)).unwrap_or_default();
        assert_eq!(file, picture, "{name}: cargo run -p anthill-tests --bin pictures");
    }
}
