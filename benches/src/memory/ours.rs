//! Our side: `Server::serve_conn`, with the buffer that fasthttp has.

use super::{Connection, HELLO, Job, Protocol, READ_BYTES, Task, count_handled};
use anthill_http::{RequestCtx, Server};

/// Our server.
#[derive(Debug)]
pub struct Ours(Server);

impl Protocol for Ours {
    const ANSWERS: bool = true;

    fn start(job: Job) -> Self {
        let builder = Server::builder().read_buffer_size(READ_BYTES);
        let server = match job.task {
            Task::Greet => builder.build(move |ctx| greet(ctx, job.closes())),
            Task::Echo => builder.build(move |ctx| echo(ctx, job.closes())),
            Task::Measure(bytes) => builder.build(move |ctx| {
                assert_eq!(ctx.body().len(), bytes);
                if job.closes() {
                    ctx.response.set_connection_close();
                }
                count_handled();
            }),
        };
        Self(server.expect("a server with a small buffer"))
    }

    fn serve(&self, connection: Connection) {
        self.0.serve_conn(connection).expect("nothing but requests");
    }
}

fn greet(ctx: &mut RequestCtx, closes: bool) {
    assert!(ctx.request.is_get());
    ctx.success("text/plain", HELLO);
    if closes {
        ctx.response.set_connection_close();
    }
    count_handled();
}

fn echo(ctx: &mut RequestCtx, closes: bool) {
    assert_eq!(ctx.request.body(), HELLO.as_bytes());
    ctx.response.set_content_type("text/plain");
    ctx.response.set_body(ctx.request.body());
    if closes {
        ctx.response.set_connection_close();
    }
    count_handled();
}
