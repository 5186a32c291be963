//! Ready ways to make the bodies of errors: problem details, HTML, plain text, and whichever of these a client takes.

use super::error_report::ErrorReport;
use crate::message::problem::PROBLEM_TYPE;
use crate::message::response::Response;
use crate::util::html::html_escape;
use crate::values::header::{Accept, has_token};

/// Answers with problem details (RFC 9457, `application/problem+json`), for an
/// [`error_body`](crate::ServerBuilder::error_body): those that a handler has failed with, or such with the message for
/// their `detail`.
///
/// ```
/// use anthill_http::{Request, Server, error_body};
/// let server = Server::builder().error_body(error_body::problem).build(|ctx| ctx.error("not here", 404))?;
/// let response = server.call(&Request::new("GET", "/")?)?;
/// assert_eq!(
///     response.body_str(),
///     Some(r#"{"type":"about:blank","title":"Not Found","status":404,"detail":"not here"}"#)
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn problem(response: &mut Response, report: &ErrorReport<'_>) {
    response.set_problem(&report.to_problem());
    response.set_status_code(report.status());
}

/// Answers with a small page of HTML, for an [`error_body`](crate::ServerBuilder::error_body): the status, the message,
/// and what is wrong with which field.
///
/// ```
/// use anthill_http::{Request, Server, error_body};
/// let server = Server::builder().error_body(error_body::html).build(|ctx| ctx.error("a < b", 400))?;
/// let response = server.call(&Request::new("GET", "/")?)?;
/// assert!(response.body_str().is_some_and(|page| page.contains("<h1>400 Bad Request</h1>\n<p>a &lt; b</p>")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn html(response: &mut Response, report: &ErrorReport<'_>) {
    let problem = report.to_problem();
    let heading = format!("{} {}", report.status(), html_escape(problem.title_text()));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{heading}</title>\n<h1>{heading}</h1>\n"
    );
    if let Some(detail) = problem.detail_text() {
        page.push_str(&format!("<p>{}</p>\n", html_escape(detail)));
    }
    let fields: String = problem
        .fields()
        .map(|(field, detail)| format!("<li>{}: {}</li>\n", html_escape(field), html_escape(detail)))
        .collect();
    if !fields.is_empty() {
        page.push_str(&format!("<ul>\n{fields}</ul>\n"));
    }
    response.set_content_type("text/html; charset=utf-8");
    response.set_body_vec(page.into_bytes());
}

/// Answers with the message as plain text, for an [`error_body`](crate::ServerBuilder::error_body): what errors are
/// without one, but that problems are text then, too.
///
/// ```
/// use anthill_http::{Problem, Request, RequestCtx, Server, error_body};
/// let taken = |_: &mut RequestCtx| Err::<(), _>(Problem::new(409).detail("taken"));
/// let server = Server::builder().error_body(error_body::text).build(taken)?;
/// assert_eq!(server.call(&Request::new("GET", "/")?)?.body_str(), Some("taken"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn text(response: &mut Response, report: &ErrorReport<'_>) {
    response.set_content_type("text/plain; charset=utf-8");
    response.set_body(report.message());
}

/// Answers as the client's `Accept` asks for: [`problem`] details, [`html`] or [`text`], for an
/// [`error_body`](crate::ServerBuilder::error_body). Whoever takes anything gets what the error is by itself: the
/// problem that a handler has failed with, else text. Adds `Accept` to `Vary`.
///
/// ```
/// use anthill_http::{Request, Server, error_body};
/// let server = Server::builder().error_body(error_body::negotiated).build(|ctx| ctx.not_found())?;
/// let kind_for = |accept: &str| {
///     let mut request = Request::new("GET", "/").unwrap();
///     request.set_header("Accept", accept);
///     server.call(&request).unwrap().content_type_str().unwrap().to_owned()
/// };
/// assert_eq!(kind_for("text/html,application/xhtml+xml,*/*;q=0.8"), "text/html; charset=utf-8");
/// assert_eq!(kind_for("application/json"), "application/problem+json");
/// assert_eq!(kind_for("*/*"), "text/plain; charset=utf-8");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn negotiated(response: &mut Response, report: &ErrorReport<'_>) {
    let accepted = Accept::new(report.request().headers().get_all("Accept"));
    // Whoever asks for JSON takes this, too.
    let offered = if report.problem().is_some() {
        [PROBLEM_TYPE, "application/json", "text/plain", "text/html"]
    } else {
        ["text/plain", PROBLEM_TYPE, "application/json", "text/html"]
    };
    match accepted.preferred(offered) {
        Some(PROBLEM_TYPE | "application/json") => problem(response, report),
        Some("text/html") => html(response, report),
        _ => text(response, report),
    }
    if !has_token(response.headers().fields().get_all("Vary"), "Accept") {
        response.append_header("Vary", "Accept");
    }
}
