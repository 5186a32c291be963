//! The examples of users: a login by form with a session, and a password that browsers ask for.

use std::collections::BTreeMap;

use anthill_tests::client::{Client, Reply};
use anthill_tests::examples::Example;

/// Keeps cookies, as a browser does.
struct Browser {
    client: Client,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    fn new(example: &Example) -> Self {
        Self { client: Client::connect(example.address()), cookies: BTreeMap::new() }
    }

    fn send(&mut self, method: &str, target: &str, fields: &str, body: &str) -> Reply {
        let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookie =
            if pairs.is_empty() { String::new() } else { format!("Cookie: {}\r\n", pairs.join("; ")) };
        let reply = self.client.exchange(format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost:8080\r\n{cookie}{fields}Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        for line in reply.values("Set-Cookie") {
            let (pair, attributes) = line.split_once(';').expect("attributes");
            let (name, value) = pair.split_once('=').expect("a value");
            if attributes.contains("expires=") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        reply
    }

    fn home(&mut self) -> String {
        let page = self.send("GET", "/", "", "");
        assert_eq!((page.status, page.field("Cache-Control")), (200, Some("private")), "{page:?}");
        page.text().to_owned()
    }

    /// Sends a form from a page of this site, as browsers without and with `Sec-Fetch-Site` do.
    fn form(&mut self, target: &str, body: &str) {
        let fields = "Content-Type: application/x-www-form-urlencoded\r\nOrigin: http://localhost:8080\r\n";
        let moved = self.send("POST", target, fields, body);
        assert_eq!((moved.status, moved.field("Location")), (303, Some("/")), "{moved:?}");
    }
}

#[test]
fn a_user_logs_in_and_out() {
    let example = Example::start("sessions", &[]);
    let mut browser = Browser::new(&example);
    assert!(browser.home().contains("<form method=post action=/login>"));
    assert!(browser.cookies.is_empty(), "whoever only looks is not followed");

    browser.form("/login", "user=ann&password=guess");
    let planted = browser.cookies.clone();
    assert!(browser.home().contains("That was not the password."));
    assert!(!browser.home().contains("That was not the password."), "it is shown once");

    browser.form("/login", "user=%3Cann%3E&password=open+sesame");
    assert_ne!(browser.cookies, planted, "there is another number behind a login");
    assert!(browser.home().contains("Hello, &lt;ann&gt;."));
    let mut thief = Browser::new(&example);
    thief.cookies = planted;
    assert!(!thief.home().contains("Hello"));

    // A page of somebody else cannot log the user out.
    for fields in ["Sec-Fetch-Site: cross-site\r\n", "Origin: https://evil.example\r\n"] {
        let refused = browser.send("POST", "/logout", fields, "");
        assert_eq!(refused.status, 403, "{fields}");
    }
    assert!(browser.home().contains("Hello"));

    let stolen = browser.cookies.clone();
    browser.form("/logout", "");
    assert!(browser.cookies.is_empty());
    assert!(!browser.home().contains("Hello"));
    thief.cookies = stolen;
    assert!(!thief.home().contains("Hello"), "a number is worth nothing behind a logout");
    example.end();
}

#[test]
fn whoever_knows_a_password_sees_the_private_folder() {
    let example = Example::start("basic-auth", &[]);
    let mut client = Client::connect(example.address());
    let mut ask = |target: &str, fields: &str| {
        client.exchange(format!("GET {target} HTTP/1.1\r\nHost: h\r\n{fields}\r\n"))
    };
    assert_eq!(ask("/", "").text(), "for all\n");
    for target in ["/private", "/private/", "/private/none", "/%70rivate"] {
        let refused = ask(target, "");
        assert_eq!(refused.status, 401, "{target}");
        assert_eq!(refused.field("WWW-Authenticate"), Some(r#"Basic realm="the anthill", charset="UTF-8""#));
    }
    for (credentials, status) in [
        ("YW5uOm9wZW4gc2VzYW1l", 200),
        ("Ym9iOmNvcnJlY3QgaG9yc2U=", 200),
        ("YW5uOmNvcnJlY3QgaG9yc2U=", 401),
        ("YW5uOg==", 401),
    ] {
        let reply = ask("/private", &format!("Authorization: Basic {credentials}\r\n"));
        assert_eq!(reply.status, status, "{credentials}");
    }
    assert_eq!(ask("/private", "Authorization: Basic YW5uOm9wZW4gc2VzYW1l\r\n").text(), "hello ann\n");
    example.end();
}
