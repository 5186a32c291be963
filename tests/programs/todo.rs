//! The to-do list, as its users use it: by forms, by a browser, at once, over restarts, and by whoever means harm.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anthill_tests::client::{Client, Reply};
use anthill_tests::devtools::Page;
use anthill_tests::eventually;
use anthill_tests::examples::Example;
use anthill_tests::server::skip;

fn start(folder: &Path) -> Example {
    let database = folder.join("todo.db");
    Example::start("todo", &[("DATABASE", database.to_str().expect("text"))])
}

fn get(example: &Example, target: &str) -> Reply {
    Client::connect(example.address()).get(target)
}

/// What a browser sends when a form is sent.
fn submit(example: &Example, target: &str, form: &str) -> Reply {
    submit_from(example, target, form, "Sec-Fetch-Site: same-origin\r\n")
}

fn submit_from(example: &Example, target: &str, form: &str, fields: &str) -> Reply {
    let (kind, length) = ("application/x-www-form-urlencoded", form.len());
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: h\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{fields}\r\n"
    );
    Client::connect(example.address()).exchange(head + form)
}

#[test]
fn what_is_to_be_done_is_added_done_renamed_and_deleted() {
    let folder = tempfile::tempdir().expect("a folder");
    let todo = start(folder.path());
    assert!(get(&todo, "/").text().contains("<p>0 things left."));
    for title in ["milk", "bread+%26+butter", "%20tea%20"] {
        let added = submit(&todo, "/todos", &format!("title={title}"));
        assert_eq!((added.status, added.field("Location")), (303, Some("/")));
    }
    let page = get(&todo, "/");
    assert!(page.text().contains(">bread &amp; butter</a>") && page.text().contains(">tea</a>"), "{page:?}");
    assert!(page.text().contains("<p>3 things left."));

    assert_eq!(submit(&todo, "/todos/1/toggle", "").status, 303);
    assert!(get(&todo, "/?show=done").text().contains(">milk</a>"));
    assert!(!get(&todo, "/?show=open").text().contains("milk"));
    assert_eq!(submit(&todo, "/todos/3", "title=green+tea").status, 303);
    assert!(get(&todo, "/todos/3").text().contains("value=\"green tea\""));
    assert_eq!(submit(&todo, "/todos/2/delete", "").status, 303);
    assert_eq!(submit(&todo, "/clear", "").status, 303);
    let page = get(&todo, "/");
    assert!(page.text().contains("green tea") && page.text().contains("<p>1 thing left."), "{page:?}");
    assert!(!page.text().contains("milk") && !page.text().contains("butter"));

    // Everything is there when it is started again, and a number is not given twice.
    todo.end();
    let todo = start(folder.path());
    assert!(get(&todo, "/").text().contains("/todos/3\">green tea</a>"));
    submit(&todo, "/todos/3/delete", "");
    submit(&todo, "/todos", "title=rice");
    assert!(get(&todo, "/").text().contains("/todos/4\">rice</a>"));
    todo.end();
}

#[test]
fn what_is_wrong_is_said_on_a_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let todo = start(folder.path());
    let long = format!("title={}", "x".repeat(201));
    for (reply, status, told) in [
        (submit(&todo, "/todos", "title=+"), 422, "The title is empty."),
        (submit(&todo, "/todos", &long), 422, "at most 200 letters, this one 201."),
        (submit(&todo, "/todos", "name=x"), 400, "The form has no title."),
        (submit(&todo, "/todos/7/toggle", ""), 404, "done in another window"),
        (get(&todo, "/todos/7"), 404, "There is no such thing to do."),
        (get(&todo, "/todos/seven"), 400, "not valid"),
        (get(&todo, "/?show=some"), 400, "one of all, open, done"),
        (get(&todo, "/nowhere"), 404, "role=alert"),
        (get(&todo, "/clear"), 405, "role=alert"),
        (submit(&todo, "/todos", &format!("title={}", "x".repeat(20_000))), 413, ""),
    ] {
        assert_eq!(reply.status, status, "{reply:?}");
        assert!(reply.text().contains(told), "{told:?} is not in {reply:?}");
        assert!(
            status == 413 || reply.field("Content-Type").is_some_and(|kind| kind.starts_with("text/html"))
        );
    }
    assert_eq!(submit(&todo, "/clear", "").status, 303, "it goes on");
    let counted = get(&todo, "/");
    assert!(counted.text().contains("<p>0 things left."));
    todo.end();
}

#[test]
fn strangers_neither_write_into_the_page_nor_send_forms() {
    let folder = tempfile::tempdir().expect("a folder");
    let todo = start(folder.path());
    submit(&todo, "/todos", "title=%3Cscript%3Ealert(1)%3C/script%3E%22+onclick%3D%22x");
    for target in ["/", "/todos/1"] {
        let page = get(&todo, target);
        assert!(page.text().contains("&lt;script&gt;") && !page.text().contains("<script>"), "{page:?}");
        assert!(!page.text().contains("\" onclick=\"x"), "{page:?}");
        assert_eq!(page.field("Content-Security-Policy"), Some("default-src 'self'"));
        assert!(page.field("X-Request-Id").is_some());
    }
    for fields in ["Sec-Fetch-Site: cross-site\r\n", "Origin: https://evil.example\r\n"] {
        let forged = submit_from(&todo, "/todos/1/delete", "", fields);
        assert_eq!(forged.status, 403, "{forged:?}");
    }
    assert!(get(&todo, "/").text().contains("<p>1 thing left."));
    // A statement is a statement, and what is in it is text.
    submit(&todo, "/todos", "title=x');DROP+TABLE+todos;--");
    assert!(get(&todo, "/").text().contains("x&#39;);DROP TABLE todos;--"));
    todo.end();
}

#[test]
fn many_at_once_lose_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let todo = start(folder.path());
    let added = AtomicUsize::new(0);
    thread::scope(|scope| {
        for user in 0..8 {
            let (todo, added) = (&todo, &added);
            scope.spawn(move || {
                for number in 0..10 {
                    let reply = submit(todo, "/todos", &format!("title=user+{user}+number+{number}"));
                    assert_eq!(reply.status, 303);
                    added.fetch_add(1, Ordering::Relaxed);
                    assert_eq!(get(todo, "/?show=open").status, 200);
                }
            });
        }
    });
    assert_eq!(added.load(Ordering::Relaxed), 80);
    assert!(get(&todo, "/").text().contains("<p>80 things left."));
    todo.end();
}

#[test]
fn a_browser_walks_through_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let todo = start(folder.path());
    let Some(mut page) = Page::new(&folder.path().join("profile")) else {
        return skip("there is no Chromium");
    };
    page.show(&format!("http://{}/", todo.address()));
    assert_eq!(page.evaluate("document.title"), "To do");
    assert_eq!(
        page.evaluate("getComputedStyle(document.querySelector('ul')).listStyleType"),
        "none",
        "its style"
    );
    for (number, title) in ["milk", "<b>bread</b>"].into_iter().enumerate() {
        page.evaluate(&format!("document.querySelector('[name=title]').value = {title:?}"));
        page.evaluate("document.querySelector('[name=title]').form.requestSubmit()");
        let count = format!(
            "document.readyState == 'complete' && document.querySelectorAll('li').length == {}",
            number + 1
        );
        eventually("it is in the list", || page.evaluate(&count) == true);
    }
    assert_eq!(page.evaluate("document.querySelectorAll('li a')[1].textContent"), "<b>bread</b>");
    page.evaluate("document.querySelector('[aria-label=\"Done: milk\"]').click()");
    eventually("milk is done", || page.evaluate("document.querySelectorAll('li.done').length") == 1);
    page.evaluate("document.querySelectorAll('nav a')[1].click()");
    eventually("only what is open is shown", || {
        page.evaluate("location.search == '?show=open' && document.querySelectorAll('li').length == 1")
            == true
    });
    page.evaluate("document.querySelector('li a').click()");
    let field = "document.title == 'Edit' && document.querySelector('[name=title]')?.value";
    eventually("it can be edited", || page.evaluate(field) == "<b>bread</b>");
    page.evaluate("document.querySelector('[name=title]').value = 'rolls'");
    page.evaluate("document.querySelector('[name=title]').form.requestSubmit()");
    eventually("it has another title", || {
        page.evaluate("[...document.querySelectorAll('li a')].map(a => a.textContent).join()") == "milk,rolls"
    });
    // An empty title is refused by the browser itself, a missing page is one.
    page.evaluate("document.querySelector('[name=title]').form.requestSubmit()");
    assert_eq!(page.evaluate("document.querySelector('[name=title]').validity.valueMissing"), true);
    page.show(&format!("http://{}/nowhere", todo.address()));
    assert_eq!(page.evaluate("document.querySelector('h1').textContent"), "Sorry (404)");
    todo.end();
}
