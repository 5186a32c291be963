//! Proxies: what they are told and what the host behind them is, and those that refuse, lie, stay silent or end.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use anthill_http::client::{
    CancelToken, Client, ClientBuilder, ClientErrorKind, ClientPhase, HostClient, PipelineClient, Proxy,
};
use anthill_http::{RequestCtx, Server, TlsConfig};
use anthill_tests::tls::Authority;

use crate::https::{believing, built, serving_as};
use crate::script::{LONG, OK, Peer, Script, wait_until};

const NAME: &str = "origin.test";

/// Nobody looks a name up: that of the host is the proxy's business, and that of the proxy is an address.
fn never(_: &str) -> std::io::Result<Vec<IpAddr>> {
    panic!("nothing is to be resolved")
}

fn by(proxy: Proxy) -> ClientBuilder {
    Client::builder().resolver(never).proxy(proxy).timeout(LONG)
}

fn http_proxy(addr: SocketAddr) -> Proxy {
    Proxy::new(&format!("http://me:p%40ss@{addr}")).expect("a proxy")
}

/// `me:p@ss`.
const LOGIN: &str = "\r\nProxy-Authorization: Basic bWU6cEBzcw==\r\n";

/// Carries bytes both ways, until both have ended.
pub(crate) fn carry(peer: &mut Peer, to: SocketAddr) {
    let mut there = TcpStream::connect(to).expect("somebody listens there");
    let (mut here, mut back) =
        (peer.stream.try_clone().expect("a clone"), there.try_clone().expect("a clone"));
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let _ = std::io::copy(&mut back, &mut here);
            let _ = here.shutdown(Shutdown::Both);
        });
        let _ = std::io::copy(&mut peer.stream, &mut there);
        let _ = there.shutdown(Shutdown::Both);
    });
}

/// Tells what it was told.
fn tell(ctx: &mut RequestCtx) {
    let secret = ctx.request.header_str("Proxy-Authorization").unwrap_or("no secret").to_owned();
    let said = format!("{} {secret}", ctx.request.request_uri().escape_ascii());
    ctx.set_body(said);
}

#[test]
fn prx_01_plain_http_is_asked_of_the_proxy_by_its_whole_url() {
    let proxy = Script::new(3, |number, mut peer: Peer| {
        let expected: &[&str] = match number {
            0 => &["GET http://origin.test/a?b=c HTTP/1.1\r\nHost: origin.test\r\n"; 2],
            1 => &["GET http://origin.test:81/ HTTP/1.1\r\nHost: origin.test:81\r\n"],
            _ => &["OPTIONS http://[::1]:9 HTTP/1.1\r\nHost: other\r\n"],
        };
        for start in expected {
            let head = peer.head();
            assert!(head.starts_with(start), "{head}");
            assert!(head.contains(LOGIN), "{head}");
            peer.say(OK);
        }
    });
    let client = by(http_proxy(proxy.addr)).build().expect("settings with a meaning");
    for number in 1..3 {
        let mut response = client.get("http://u:p@origin.test/a?b=c#d").send().expect("a response");
        assert_eq!((response.conn_requests(), response.remote_addr()), (number, proxy.addr));
        assert_eq!(response.text().expect("a body"), "ok");
    }
    // Another host has another connection.
    client.get("http://origin.test:81").send().expect("a response");
    let host = HostClient::builder("[::1]:9").proxy(http_proxy(proxy.addr)).timeout(LONG).build();
    let mut request = anthill_http::Request::new("OPTIONS", "*").expect("a request");
    request.set_host("other").expect("a host");
    host.expect("an address").send(&request).expect("a response");
    proxy.end();
}

#[test]
fn prx_01_https_goes_through_a_tunnel_and_its_host_is_told_nothing_of_the_proxy() {
    let authority = Authority::new("ours");
    let identity = authority.issue(&[NAME]);
    let config = TlsConfig::from_pem(&identity.certificate, &identity.key).expect("a certificate");
    let server = Server::new(tell).expect("options").start_tls("127.0.0.1:0", &config).expect("a free port");
    let behind = server.local_addr();
    // What is said of a body does not count.
    for agreed in [
        "HTTP/1.1 200 Connection established\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Well\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        let proxy = Script::new(1, move |_, mut peer: Peer| {
            let head = peer.head();
            assert!(
                head.starts_with("CONNECT origin.test:443 HTTP/1.1\r\nHost: origin.test:443\r\n"),
                "{head}"
            );
            assert!(head.contains(LOGIN), "{head}");
            peer.say(agreed);
            carry(&mut peer, behind);
        });
        let client = by(http_proxy(proxy.addr)).tls(built(believing(&authority))).build().expect("settings");
        for number in 1..3 {
            // What was meant for the proxy is nothing for the host.
            let call = client.get(format!("https://{NAME}/x")).header("Proxy-Authorization", "Bearer own");
            let mut response = call.send().expect("it agrees");
            assert_eq!((response.conn_requests(), response.remote_addr()), (number, proxy.addr));
            assert_eq!(response.tls().and_then(|tls| tls.server_name()), Some(NAME));
            assert_eq!(response.text().expect("a body"), "/x no secret", "{agreed}");
        }
        drop(client);
        proxy.end();
    }
}

#[test]
fn prx_01_a_requests_own_login_is_for_the_proxy_that_reads_it() {
    let proxy = Script::new(2, |number, mut peer: Peer| {
        let head = peer.head();
        if number == 0 {
            assert!(
                head.contains("\r\nProxy-Authorization: Bearer own\r\n") && !head.contains(LOGIN),
                "{head}"
            );
            return peer.say(OK);
        }
        assert!(head.starts_with("CONNECT ") && head.contains(LOGIN) && !head.contains("own"), "{head}");
        peer.say("HTTP/1.1 200 OK\r\n\r\n");
        // Now it is the host.
        let head = peer.head().to_ascii_lowercase();
        assert!(head.contains("x-other: 1\r\n") && !head.contains("proxy-authorization"), "{head}");
        peer.say(OK);
    });
    let client = by(http_proxy(proxy.addr)).build().expect("settings with a meaning");
    let call = client.get("http://origin.test/").header("Proxy-Authorization", "Bearer own");
    assert_eq!(call.send().expect("a response").status_code(), 200);
    // One that pipelines has a tunnel, whatever the scheme.
    let host = PipelineClient::builder("origin.test:80").proxy(http_proxy(proxy.addr)).timeout(LONG);
    let host = host.default_header("X-Other", "1").default_header("Proxy-Authorization", "Bearer own");
    let mut request = crate::script::get("/");
    request.set_header("proxy-authorization", "Bearer own");
    let host = host.build().expect("an address");
    assert_eq!(host.send(&request).expect("a response").status_code(), 200);
    drop(host);
    proxy.end();
}

#[test]
fn prx_01_a_proxy_that_gives_no_tunnel_is_an_error_of_its_own() {
    for (case, answer, said) in [
        (
            "it wants a login",
            "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
            "407",
        ),
        ("it forbids", "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", "403 Forbidden"),
        ("it redirects", "HTTP/1.1 302 Found\r\nLocation: https://evil.test/\r\n\r\n", "302"),
        ("it cannot", "HTTP/1.0 502 Bad Gateway\r\n\r\n", "502"),
        ("it ends", "", ""),
        ("it ends in the middle", "HTTP/1.1 200", ""),
        ("it lies", "SSH-2.0-OpenSSH\r\n\r\n", ""),
        ("it changes the protocol", "HTTP/1.1 101 Switching Protocols\r\n\r\n", ""),
        ("it speaks before it is asked", "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "more than"),
    ] {
        let proxy = Script::new(1, move |_, mut peer: Peer| {
            peer.head();
            peer.say(answer);
        });
        let client = by(http_proxy(proxy.addr)).build().expect("settings with a meaning");
        let error = client.get("https://origin.test/").send().expect_err(case);
        assert_eq!(
            (error.kind(), error.addr()),
            (ClientErrorKind::Proxy, Some(proxy.addr)),
            "{case}: {error}"
        );
        assert!(error.to_string().contains(said), "{case}: {error}");
        assert!(!format!("{error} {error:?}").contains("p@ss"), "{error:?}");
        assert_eq!(client.stats().open, 0, "{case}");
        proxy.end();
    }
    let endless = Script::new(1, |_, mut peer: Peer| {
        peer.head();
        let _ = peer.stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while peer.stream.write_all(b"A: b\r\n").is_ok() {}
    });
    let client = by(http_proxy(endless.addr)).build().expect("settings with a meaning");
    let error = client.get("https://origin.test/").send().expect_err("there is an end to everything");
    assert_eq!(error.kind(), ClientErrorKind::Proxy, "{error}");
    endless.end();
    let dead = std::net::TcpListener::bind("127.0.0.1:0").and_then(|dead| dead.local_addr()).expect("a port");
    let client = by(http_proxy(dead)).build().expect("settings with a meaning");
    for url in ["http://origin.test/", "https://origin.test/"] {
        let error = client.get(url).send().expect_err("there is no proxy");
        assert_eq!((error.kind(), error.addr()), (ClientErrorKind::Connect, Some(dead)));
    }
}

#[test]
fn prx_01_a_proxy_has_as_much_time_as_the_call() {
    let late = ClientErrorKind::Timeout(ClientPhase::Proxy);
    for scheme in ["http", "socks5h"] {
        // Silent, and so slow that no silence is long.
        for trickles in [false, true] {
            let proxy = Script::side_by_side(3, move |_, mut peer: Peer| {
                let mut room = [0; 4096];
                if trickles && scheme == "http" {
                    let _ = peer.stream.write_all(b"HTTP/1.1 200 OK\r\nA: ");
                    while peer.stream.write_all(b"a").is_ok() {
                        std::thread::sleep(Duration::from_millis(2));
                    }
                } else if trickles {
                    // The beginning of a reply with a name of 255 bytes.
                    let _ = peer.stream.write_all(&[5, 0, 5, 0, 0, 3, 255]);
                }
                while peer.stream.read(&mut room).is_ok_and(|count| count > 0) {}
            });
            let proxies = || Proxy::new(&format!("{scheme}://{}", proxy.addr)).expect("a proxy");
            let client = || Client::builder().resolver(never).proxy(proxies()).timeout(LONG * 5);
            let hasty = client().connect_timeout(Duration::from_millis(50)).build().expect("settings");
            let kind = |error: anthill_http::client::ClientError| error.kind();
            assert_eq!(hasty.get("https://origin.test/").send().map_err(kind).map(drop), Err(late));
            let patient = client().connect_timeout(LONG * 5).build().expect("settings");
            let call = patient.get("https://origin.test/").timeout(Duration::from_millis(50));
            assert_eq!(call.send().map_err(kind).map(drop), Err(late));
            let token = CancelToken::new();
            std::thread::scope(|scope| {
                let (client, token) = (&patient, &token);
                let call = scope.spawn(move || {
                    client.get("https://origin.test/").cancel_with(token).send().map(drop).map_err(kind)
                });
                wait_until("the attempt", || client.stats().open == 1);
                std::thread::sleep(Duration::from_millis(20));
                token.cancel();
                assert_eq!(call.join().expect("no panic"), Err(ClientErrorKind::Cancelled));
            });
            assert_eq!((hasty.stats().open, patient.stats().open), (0, 0));
            proxy.end();
        }
    }
}

/// Which of two proxies is asked, if any.
#[test]
fn prx_01_what_is_asked_of_which_proxy() {
    for (is_https, port, no_proxy, asked) in [
        (true, "", "", Some("https")),
        (false, "", "", Some("http")),
        // The scheme says, not the port.
        (true, ":80", "", Some("https")),
        (false, ":443", "", Some("http")),
        (true, "", "origin.test", None),
        (false, "", "origin.test", None),
        (false, "", "other.test, .test", None),
        (false, "", "origin.test:81", Some("http")),
        (false, ":81", "origin.test:81", None),
        (false, "", "*", None),
        (true, "", "in.test", Some("https")),
    ] {
        let seen = Arc::new(AtomicUsize::new(0));
        let script = |kind: usize| {
            let seen = seen.clone();
            Script::new(1, move |_, mut peer: Peer| {
                let head = peer.head();
                if !head.is_empty() {
                    seen.fetch_add(kind, Ordering::SeqCst);
                    let is_tunnel = head.starts_with("CONNECT");
                    assert_eq!(is_tunnel, is_https, "{head}");
                    peer.say("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
                }
            })
        };
        let (http, https) = (script(1), script(16));
        let proxy = Proxy::http(&format!("http://{}", http.addr))
            .and_then(|proxy| proxy.with_https(&format!("http://{}", https.addr)))
            .expect("proxies");
        // A host that is asked directly is looked up, and not found.
        let none = |_: &str| Ok(Vec::new());
        let client = Client::builder().resolver(none).proxy(proxy.no_proxy(no_proxy)).timeout(LONG);
        let client = client.build().expect("settings with a meaning");
        let url = format!("http{}://origin.test{port}/", if is_https { "s" } else { "" });
        let outcome = client.get(&url).send().map(|response| response.status_code());
        let case = format!("{url} but for {no_proxy:?}");
        match asked {
            Some("http") => assert_eq!(outcome.expect("a response"), 503, "{case}"),
            Some(_) => assert_eq!(outcome.expect_err("no tunnel").kind(), ClientErrorKind::Proxy, "{case}"),
            None => assert_eq!(outcome.expect_err("no address").kind(), ClientErrorKind::Resolve, "{case}"),
        }
        let expected = match asked {
            None => 0,
            Some("http") => 1,
            Some(_) => 16,
        };
        assert_eq!(seen.load(Ordering::SeqCst), expected, "{case}");
        // Whoever was not asked is told that nobody comes.
        for addr in [http.addr, https.addr] {
            drop(TcpStream::connect(addr));
        }
        drop(client);
        http.end();
        https.end();
    }
}

#[test]
fn prx_01_a_target_with_the_end_of_a_line_reaches_nobody() {
    let proxy = Proxy::new("http://127.0.0.1:9").expect("a proxy");
    let client = by(proxy.clone()).build().expect("settings with a meaning");
    for url in ["https://origin.test:443\r\nX: y/", "http://origin.test%0d%0aX/", "https://a\nb/"] {
        let error = client.get(url).send().expect_err(url);
        assert_eq!(error.kind(), ClientErrorKind::InvalidRequest, "{url:?}");
    }
    for addr in ["origin.test\r\nX: y:443", "origin.test:443\n"] {
        let outcome = HostClient::builder(addr).proxy(proxy.clone()).build();
        // A blank at the end is nobody's name.
        match outcome {
            Ok(_) => assert_eq!(addr.trim(), "origin.test:443"),
            Err(error) => assert_eq!(error.kind(), ClientErrorKind::InvalidRequest, "{addr:?}"),
        }
    }
}

/// Exactly so many bytes.
fn exactly<const COUNT: usize>(peer: &mut Peer) -> [u8; COUNT] {
    let mut read = [0; COUNT];
    peer.stream.read_exact(&mut read).expect("the client speaks");
    read
}

/// Says it by the byte, as nobody does.
fn trickle(peer: &mut Peer, bytes: &[u8]) {
    for byte in bytes {
        peer.stream.write_all(&[*byte]).expect("the client is there");
    }
}

#[test]
fn prx_01_socks_names_are_looked_up_there_and_addresses_are_told_as_they_are() {
    let authority = Authority::new("ours");
    let server = serving_as(&authority.issue(&[NAME, "127.0.0.1"]));
    let behind = server.local_addr();
    let port = behind.port();
    let resolver = |name: &str| match name {
        NAME => Ok(vec!["2001:db8::7".parse().expect("an address"), Ipv4Addr::new(192, 0, 2, 7).into()]),
        _ => Err(std::io::Error::other("the proxy has an address")),
    };
    let named = [&[5, 1, 0, 3, 11][..], NAME.as_bytes()].concat();
    let here: &[u8] = &[5, 1, 0, 1, 127, 0, 0, 1];
    let one: &[u8] = &[5, 1, 0, 1, 192, 0, 2, 7];
    let six = [&[5, 1, 0, 4][..], &[0; 15], &[1]].concat();
    for (scheme, host, asked, from) in [
        ("socks5h", NAME, &named[..], &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0][..]),
        ("socks5h", "127.0.0.1", here, &[5, 0, 0, 3, 1, b'x', 0, 0]),
        ("socks5", NAME, one, &[5, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("socks5", "127.0.0.1", here, &[5, 0, 0, 3, 0, 0, 0]),
        ("socks5h", "[::1]", &six, &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
    ] {
        let expected = [asked, &port.to_be_bytes()].concat();
        let proxy = Script::new(1, move |_, mut peer: Peer| {
            assert_eq!(exactly::<3>(&mut peer), [5, 1, 0]);
            trickle(&mut peer, &[5, 0]);
            let mut heard = vec![0; expected.len()];
            peer.stream.read_exact(&mut heard).expect("the client speaks");
            assert_eq!(heard, expected);
            trickle(&mut peer, from);
            carry(&mut peer, behind);
        });
        let proxies = Proxy::new(&format!("{scheme}://{}", proxy.addr)).expect("a proxy");
        let tls = built(believing(&authority).danger_accept_invalid_certs(host.starts_with('[')));
        let client = Client::builder().resolver(resolver).proxy(proxies).tls(tls).timeout(LONG);
        let client = client.build().expect("settings with a meaning");
        for number in 1..3 {
            let mut response = client.get(format!("https://{host}:{port}/")).send().expect("it agrees");
            assert_eq!((response.conn_requests(), response.remote_addr()), (number, proxy.addr));
            assert!(response.text().expect("a body").contains("http/1.1"));
        }
        drop(client);
        proxy.end();
    }
}

#[test]
fn prx_01_socks_users_and_plain_http() {
    let running = Server::new(tell).expect("options").start("127.0.0.1:0").expect("a free port");
    let behind = running.local_addr();
    let proxy = Script::new(2, move |_, mut peer: Peer| {
        assert_eq!(exactly::<4>(&mut peer), [5, 2, 0, 2]);
        peer.stream.write_all(&[5, 2]).expect("the client is there");
        assert_eq!(exactly::<9>(&mut peer), *b"\x01\x02me\x04p@ss");
        peer.stream.write_all(&[1, 0]).expect("the client is there");
        assert_eq!(exactly::<18>(&mut peer), *b"\x05\x01\x00\x03\x0borigin.test\x00\x50");
        peer.stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).expect("the client is there");
        carry(&mut peer, behind);
    });
    let proxies = Proxy::new(&format!("socks5h://me:p%40ss@{}", proxy.addr)).expect("a proxy");
    let client = by(proxies.clone()).build().expect("settings with a meaning");
    // As an origin is asked: what a program says to proxies of HTTP is nothing for it.
    let call = client.get("http://origin.test/x").header("Proxy-Authorization", "Bearer own");
    let mut response = call.send().expect("a response");
    assert_eq!(response.text().expect("a body"), "/x no secret");
    drop((response, client));
    let host = PipelineClient::builder("origin.test:80").resolver(never).proxy(proxies).timeout(LONG);
    let host = host.default_header("Proxy-Authorization", "Bearer own").build().expect("an address");
    let mut response = host.send(&crate::script::get("/x")).expect("a response");
    assert_eq!(response.text().expect("a body"), "/x no secret");
    drop((response, host));
    proxy.end();
}

#[test]
fn prx_01_socks_that_does_not_connect_is_an_error_of_its_own() {
    let asked: &[u8] = b"\x05\x01\x00\x03\x0borigin.test\x00\x50";
    for (case, with_login, answers) in [
        ("it ends", false, &[][..]),
        ("it is none", false, &[(3, &b"HT"[..])]),
        ("it takes nobody", false, &[(3, &[5, 255])]),
        ("it takes no user", true, &[(4, &[5, 255])]),
        ("it wants what was not offered", false, &[(3, &[5, 2])]),
        ("it does not let him in", true, &[(4, &[5, 2]), (9, &[1, 1])]),
        ("it ends in the middle", false, &[(3, &[5, 0]), (18, &[5, 0, 0])]),
        ("it is refused", false, &[(3, &[5, 0]), (18, &[5, 5, 0, 1, 0, 0, 0, 0, 0, 0])]),
        ("it does not know that", false, &[(3, &[5, 0]), (18, &[5, 99, 0, 1, 0, 0, 0, 0, 0, 0])]),
        ("it says another kind", false, &[(3, &[5, 0]), (18, &[5, 0, 0, 9, 0, 0, 0, 0, 0, 0])]),
    ] {
        let answers: Vec<(usize, Vec<u8>)> =
            answers.iter().map(|(count, answer): &(usize, &[u8])| (*count, answer.to_vec())).collect();
        let proxy = Script::new(1, move |_, mut peer: Peer| {
            for (count, answer) in &answers {
                let mut heard = vec![0; *count];
                peer.stream.read_exact(&mut heard).expect("the client speaks");
                assert!(*count != 18 || heard == asked, "{heard:?}");
                peer.stream.write_all(answer).expect("the client is there");
            }
        });
        let login = if with_login { "me:p%40ss@" } else { "" };
        let proxies = Proxy::new(&format!("socks5h://{login}{}", proxy.addr)).expect("a proxy");
        let client = by(proxies).build().expect("settings with a meaning");
        let error = client.get("http://origin.test/").send().expect_err(case);
        assert_eq!(
            (error.kind(), error.addr()),
            (ClientErrorKind::Proxy, Some(proxy.addr)),
            "{case}: {error}"
        );
        assert_eq!(client.stats().open, 0, "{case}");
        drop(client);
        proxy.end();
    }
    let long = format!("http://{}.test/", ["a".repeat(60).as_str(); 5].join("."));
    let proxies = Proxy::new("socks5h://127.0.0.1:9").expect("a proxy");
    let error =
        by(proxies).build().expect("settings").get(&long).send().expect_err("there is no way to say it");
    assert_eq!(error.kind(), ClientErrorKind::InvalidRequest);
}

/// Takes part in what is said to a proxy of SOCKS, up to which address is to be connected to.
fn asked_for_addr(peer: &mut Peer) -> IpAddr {
    assert_eq!(exactly::<3>(peer), [5, 1, 0]);
    peer.stream.write_all(&[5, 0]).expect("the client is there");
    let addr = match exactly::<4>(peer) {
        [5, 1, 0, 1] => IpAddr::from(exactly::<4>(peer)),
        [5, 1, 0, 4] => IpAddr::from(exactly::<16>(peer)),
        other => panic!("{other:?}"),
    };
    assert_eq!(exactly::<2>(peer), [0, 80]);
    addr
}

const SOCKS_OK: &[u8] = &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0];

#[test]
fn prx_01_socks_is_asked_for_each_address_of_a_host() {
    let addrs = ["192.0.2.1", "2001:db8::1", "192.0.2.2", "192.0.2.3"];
    let addrs = addrs.map(|addr| addr.parse::<IpAddr>().expect("an address"));
    let resolver = move |_: &str| Ok(vec![addrs[1], addrs[0], addrs[2], addrs[3]]);
    // One is refused, of one the end is all that is heard, one is silent, and the last one stands.
    let proxy = Script::side_by_side(4, move |number, mut peer: Peer| {
        assert_eq!(asked_for_addr(&mut peer), addrs[number]);
        match number {
            0 => peer.stream.write_all(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]).expect("the client is there"),
            1 => {}
            2 => peer.expect_end(),
            _ => {
                peer.stream.write_all(SOCKS_OK).expect("the client is there");
                peer.head();
                peer.say(OK);
            }
        }
    });
    let proxies = Proxy::new(&format!("socks5://{}", proxy.addr)).expect("a proxy");
    let client = Client::builder().resolver(resolver).proxy(proxies).connect_timeout(LONG / 10);
    let client = client.timeout(LONG).build().expect("settings with a meaning");
    let mut response = client.get("http://origin.test/").send().expect("the last address");
    assert_eq!((response.remote_addr(), response.text().expect("a body").as_str()), (proxy.addr, "ok"));
    assert_eq!(client.stats().open, 1, "nothing is left of the others");
    drop((response, client));
    proxy.end();
    // The last failure is told, and whoever is not let in does not try again.
    for (answer, conns) in [(&[5, 255][..], 1), (&[5, 0], 4)] {
        let proxy = Script::new(conns, move |_, mut peer: Peer| {
            assert_eq!(exactly::<3>(&mut peer), [5, 1, 0]);
            peer.stream.write_all(answer).expect("the client is there");
            if answer == [5, 0] {
                let kind = exactly::<4>(&mut peer)[3];
                let rest = if kind == 1 { 6 } else { 18 };
                peer.read_bytes(rest);
                peer.stream.write_all(&[5, 4, 0, 1, 0, 0, 0, 0, 0, 0]).expect("the client is there");
            }
        });
        let proxies = Proxy::new(&format!("socks5://{}", proxy.addr)).expect("a proxy");
        let client = Client::builder().resolver(resolver).proxy(proxies).timeout(LONG);
        let client = client.build().expect("settings with a meaning");
        let error = client.get("http://origin.test/").send().expect_err("there is no connection");
        assert_eq!((error.kind(), error.addr()), (ClientErrorKind::Proxy, Some(proxy.addr)));
        assert_eq!(error.to_string().contains("cannot be reached"), conns == 4, "{error}");
        proxy.end();
    }
}

#[test]
fn prx_01_a_proxy_may_be_spoken_to_by_tls() {
    let authority = Authority::new("ours");
    let server = serving_as(&authority.issue(&[NAME]));
    let behind = server.local_addr();
    let (told, tells) = mpsc::channel();
    let proxy = crate::https::scripted(&authority.issue(&["127.0.0.1"]), 2, move |number, mut peer| {
        let head = crate::https::head(&mut peer);
        told.send(head).expect("the test waits for it");
        if number == 0 {
            peer.write_all(OK.as_bytes()).and_then(|()| peer.flush()).expect("the client is there");
            return;
        }
        peer.write_all(b"HTTP/1.1 200 OK\r\n\r\n").and_then(|()| peer.flush()).expect("the client is there");
        let mut there = TcpStream::connect(behind).expect("somebody listens there");
        // One after the other is enough for a handshake and an exchange.
        there.set_read_timeout(Some(Duration::from_millis(50))).expect("an option of every socket");
        peer.sock.set_read_timeout(Some(Duration::from_millis(50))).expect("an option of every socket");
        let mut room = [0; 16 * 1024];
        loop {
            match peer.read(&mut room) {
                Ok(0) => return,
                Ok(count) => there.write_all(&room[..count]).expect("the server is there"),
                Err(_) => {}
            }
            match there.read(&mut room) {
                Ok(0) => return,
                Ok(count) => peer.write_all(&room[..count]).and_then(|()| peer.flush()).expect("it is there"),
                Err(_) => {}
            }
        }
    });
    let proxies = Proxy::new(&format!("https://me:p%40ss@{}", proxy.addr)).expect("a proxy");
    let client = by(proxies).tls(built(believing(&authority))).build().expect("settings with a meaning");
    client.get("http://origin.test/").send().expect("a response").text().expect("a body");
    let head = tells.recv_timeout(LONG).expect("it was asked");
    assert!(head.starts_with("GET http://origin.test/ ") && head.contains(LOGIN), "{head}");
    let mut response = client.get("https://origin.test/").send().expect("a response");
    assert!(response.text().expect("a body").starts_with(NAME));
    let head = tells.recv_timeout(LONG).expect("it was asked");
    assert!(head.starts_with("CONNECT origin.test:443 ") && head.contains(LOGIN), "{head}");
    drop((response, client));
    proxy.end();
}
