//! What browsers see. Whatever somebody has typed goes through `html_escape`.

use std::fmt::Write;

use anthill_http::{RequestCtx, html_escape};

use crate::store::{Filter, Todo};

const STYLE: &str =
    "body { max-width: 40rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif }
ul { padding: 0; list-style: none }
li { display: flex; gap: .5rem; align-items: center; margin: .25rem 0 }
li a { flex: 1 }
.done a { text-decoration: line-through }
nav a[aria-current] { font-weight: bold }
input[name=title] { width: 24rem; max-width: 100% }
@media (prefers-color-scheme: dark) { body { color: #eee; background: #222 } a { color: #9cf } }
";

pub(crate) fn style(ctx: &mut RequestCtx) {
    ctx.set_content_type("text/css; charset=utf-8");
    ctx.response.set_header("Cache-Control", "max-age=3600");
    ctx.response.set_body_static(STYLE.as_bytes());
}

pub(crate) fn list(ctx: &mut RequestCtx, todos: &[Todo], open: i64, filter: Filter) {
    let mut main = String::from(
        "<form method=post action=/todos><label>What is to be done? \
         <input name=title required maxlength=200 autofocus></label> <button>Add</button></form>\n<ul>\n",
    );
    for todo in todos {
        item(&mut main, todo);
    }
    let things = if open == 1 { "thing" } else { "things" };
    let _ = write!(main, "</ul>\n<p>{open} {things} left.\n<nav aria-label=Show>");
    for other in Filter::ALL {
        let current = if other == filter { " aria-current=page" } else { "" };
        let name = other.name();
        let _ = write!(main, "<a href=\"/?show={name}\"{current}>{name}</a> ");
    }
    main.push_str("</nav>\n<form method=post action=/clear><button>Remove what is done</button></form>");
    page(ctx, "To do", &main);
}

fn item(main: &mut String, todo: &Todo) {
    let Todo { id, done, .. } = todo;
    let title = html_escape(&todo.title);
    let (class, act) = if *done { (" class=done", "Undo") } else { ("", "Done") };
    let _ = writeln!(
        main,
        "<li{class}><a href=\"/todos/{id}\">{title}</a>\
         <form method=post action=\"/todos/{id}/toggle\"><button aria-label=\"{act}: {title}\">{act}</button></form>\
         <form method=post action=\"/todos/{id}/delete\"><button aria-label=\"Delete: {title}\">Delete</button></form>"
    );
}

pub(crate) fn edit(ctx: &mut RequestCtx, todo: &Todo) {
    let (id, title) = (todo.id, html_escape(&todo.title));
    let main = format!(
        "<form method=post action=\"/todos/{id}\"><label>Title <input name=title value=\"{title}\" required \
         maxlength=200></label> <button>Save</button></form>\n<p><a href=/>Back</a>"
    );
    page(ctx, "Edit", &main);
}

/// In place of what a handler, the router, or a panic has answered; keeps the status.
pub(crate) fn error(ctx: &mut RequestCtx) {
    let status = ctx.response.status_code();
    let told = String::from_utf8_lossy(ctx.response.body()).into_owned();
    let main = format!("<p role=alert>{}</p>\n<p><a href=/>Back</a>", html_escape(&told));
    page(ctx, &format!("Sorry ({status})"), &main);
}

fn page(ctx: &mut RequestCtx, title: &str, main: &str) {
    ctx.set_content_type("text/html; charset=utf-8");
    ctx.set_body(format!(
        "<!doctype html>\n<html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{title}</title><link rel=stylesheet href=/style.css>\n<main><h1>{title}</h1>\n{main}\n</main>\n"
    ));
}
