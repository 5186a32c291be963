//! Examples with frameworks that are not ours.

use anthill_tests::client::{Client, get, post};
use anthill_tests::examples::Example;

#[test]
fn axum_inside_runs_a_router_on_workers() {
    let example = Example::start("axum-inside", &[]);
    let mut client = Client::connect(example.address());
    assert_eq!(client.get("/users/7").text(), "user 7, visit 1\n");
    assert_eq!(client.get("/users/8").text(), "user 8, visit 2\n");
    assert_eq!(client.get("/users/me").status, 400);
    let counted = client.exchange(post("/count", "zwölf"));
    assert_eq!((counted.status, counted.text()), (200, "5 letters\n"));
    assert_eq!(client.get("/count").status, 405);
    assert_eq!(client.get("/nowhere").status, 404);
    assert_eq!(client.get("/report").text(), "a report\n");
    example.end();
}

#[test]
fn tower_outside_blocks_no_task() {
    let example = Example::start("tower-outside", &[]);
    let mut clients = [(); 3].map(|()| Client::connect(example.address()));
    clients[0].send(get("/report"));
    clients[1].send(get("/ticks"));
    assert_eq!(clients[2].get("/").text(), "axum\n");
    assert_eq!(clients[0].response().text(), "a report\n");
    let ticks = clients[1].response();
    assert_eq!(
        (ticks.text(), ticks.field("transfer-encoding")),
        ("tick 1\ntick 2\ntick 3\n", Some("chunked"))
    );
    assert_eq!(clients[2].get("/nowhere").status, 404);
}
