//! Forms that mean other methods: only where that was listed, and only of a `POST`.

use anthill_http::middleware::{MethodOverride, MethodOverrideBuilder, method_override};
use anthill_http::{Request, RequestCtx, Router, Server};

const FORM: &str = "application/x-www-form-urlencoded";

/// Answers with the method, and the value `note` of the form.
fn tell(ctx: &mut RequestCtx) {
    let note = ctx.form_value_str("note").map(std::borrow::Cow::into_owned).unwrap_or_default();
    let text = format!("{} {note}", ctx.method());
    ctx.set_body(text);
}

fn server(policy: MethodOverride) -> Server {
    let routes = Router::new().any("/{*rest}", tell).build().expect("routes");
    Server::builder().build_handler(method_override(routes, policy)).expect("valid options")
}

fn said(server: &Server, method: &str, fields: &[(&str, &str)], body: &str) -> String {
    let mut request = Request::new(method, "/notes/7").expect("a request");
    for (name, value) in fields {
        request.append_header(name, value);
    }
    request.set_body(body);
    let response = server.call(&request).expect("an answer");
    String::from_utf8(response.body().to_vec()).expect("text")
}

#[test]
fn a_form_or_a_field_says_what_is_meant() {
    let server = server(MethodOverride::new());
    let form = [("Content-Type", FORM)];
    assert_eq!(said(&server, "POST", &form, "_method=DELETE&note=x"), "DELETE x");
    assert_eq!(said(&server, "POST", &form, "_method=put&note=x"), "PUT x");
    assert_eq!(said(&server, "POST", &form, "note=x"), "POST x");
    let multipart = [("Content-Type", "multipart/form-data; boundary=b")];
    let parts = "--b\r\nContent-Disposition: form-data; name=\"_method\"\r\n\r\nPATCH\r\n\
                 --b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\ny\r\n--b--\r\n";
    assert_eq!(said(&server, "POST", &multipart, parts), "PATCH y");
    let both = [("Content-Type", FORM), ("X-HTTP-Method-Override", "PATCH")];
    assert_eq!(said(&server, "POST", &both, "_method=DELETE"), "PATCH ");
}

#[test]
fn nothing_else_is_another_method() {
    let server = server(MethodOverride::new());
    for method in ["GET", "HEAD", "PUT"] {
        let told = said(&server, method, &[("X-HTTP-Method-Override", "DELETE")], "");
        assert!(told.is_empty() || told == format!("{method} "), "{told}");
    }
    let form = [("Content-Type", FORM)];
    for unlisted in ["GET", "CONNECT", "TRACE", "PURGE", "", "DELETE%0d%0a", "DELETE%20"] {
        assert_eq!(
            said(&server, "POST", &form, &format!("_method={unlisted}&note=x")),
            "POST x",
            "{unlisted}"
        );
    }
    assert_eq!(said(&server, "POST", &[("X-HTTP-Method-Override", "GET")], ""), "POST ");
    // The query is no form.
    let request = Request::new("POST", "/notes/7?_method=DELETE").expect("a request");
    assert_eq!(server.call(&request).expect("an answer").body(), b"POST ");
    // Nor is a text that looks like one.
    assert_eq!(said(&server, "POST", &[("Content-Type", "text/plain")], "_method=DELETE"), "POST ");
}

#[test]
fn what_is_looked_at_can_be_said() {
    let policy = MethodOverride::builder().form_field(Some("verb")).header(None).methods(["PURGE"]).build();
    let server = server(policy.expect("a policy"));
    let form = [("Content-Type", FORM), ("X-HTTP-Method-Override", "DELETE")];
    assert_eq!(said(&server, "POST", &form, "verb=purge"), "PURGE ");
    assert_eq!(said(&server, "POST", &form, "_method=PURGE"), "POST ");
    let refused = |builder: MethodOverrideBuilder| builder.build().expect_err("no such method").option();
    for method in ["GET", "head", "OPTIONS", "TRACE", "CONNECT", "A B", ""] {
        assert_eq!(refused(MethodOverride::builder().methods([method])), "methods", "{method}");
    }
}
