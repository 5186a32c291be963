//! Jobs on a real Redis server, which each test starts for itself. Where there is none, the tests are skipped with a
//! word.

mod attempts;
mod faults;
mod kills;
mod loads;
mod refusals;
mod server;

use std::time::Duration;

use anthill_pool::remote::RedisSource;

use crate::conformance::{Queue, conforms};
use server::Server;

impl Queue for Server {
    type Source = RedisSource;

    fn handle(&self, lease: Duration) -> RedisSource {
        self.queue().lease(lease).open().expect("a queue")
    }
}

conforms!(conformance, crate::on_redis::server::Server::start(&[]));
