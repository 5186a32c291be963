//! Knowledge flows one way.

use super::files::{code, sources};

/// Knowledge flows one way: a layer names only those before it.
#[test]
fn the_layers_of_http_do_not_point_back() {
    let layers: [&[&str]; 7] = [
        &["util", "contain"],
        &[
            "args",
            "coding",
            "cookie",
            "form",
            "header",
            "headers",
            "input",
            "multipart",
            "output",
            "uri",
            "wire",
        ],
        &["convert", "request", "response", "proto"],
        &["ctx", "error", "handler", "exchange"],
        &["serve_conn"],
        &["engine", "server"],
        &["lib"],
    ];
    let layer_of = |module: &str| layers.iter().position(|layer| layer.contains(&module));
    for (path, text) in sources("http/src") {
        let module =
            path.trim_start_matches("http/src/").split(['/', '.']).next().expect("a module").to_owned();
        let layer =
            layer_of(&module).unwrap_or_else(|| panic!("{path} belongs to no layer: add it to this test"));
        let code = code(&text);
        for used in code.split("crate::").skip(1) {
            let used = used.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default();
            if let Some(used_layer) = layer_of(used) {
                assert!(used_layer <= layer, "{path} names crate::{used}, which is above it");
            }
        }
    }
}
