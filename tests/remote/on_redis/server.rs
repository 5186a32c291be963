//! A server of a test's own: in a folder of its own, on a socket of its own, and gone with its owner.

use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anthill_pool::remote::{RedisBuilder, RedisSource};
use anthill_tests::eventually;
use tempfile::TempDir;

pub(crate) struct Server {
    child: Child,
    folder: TempDir,
    options: Vec<String>,
}

impl Server {
    /// A server with these options beside the ones of every test. None, said in words, when there is no `redis-server`.
    pub(crate) fn start(options: &[&str]) -> Option<Server> {
        let folder = tempfile::tempdir().expect("a folder");
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        match run(&folder, &options) {
            Ok(child) => {
                let server = Server { child, folder, options };
                server.await_answer();
                Some(server)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                eprintln!("skipped: there is no redis-server");
                None
            }
            Err(error) => panic!("redis-server: {error}"),
        }
    }

    /// A server that has written down what it has answered.
    pub(crate) fn durable() -> Option<Server> {
        Server::start(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Options for the queue of the test.
    pub(crate) fn queue(&self) -> RedisBuilder {
        queue_at(&self.url())
    }

    /// A connection past the library.
    pub(crate) fn connect(&self) -> redis::Connection {
        redis::Client::open(self.url()).unwrap().get_connection().expect("a connection")
    }

    /// Kills it.
    pub(crate) fn crash(&mut self) {
        self.child.kill().expect("a signal");
        self.child.wait().expect("its end");
    }

    /// Starts it again, with what it has on its disk.
    pub(crate) fn restart(&mut self) {
        self.child = run(&self.folder, &self.options).expect("the server again");
        self.await_answer();
    }

    fn await_answer(&self) {
        eventually("the server answers", || {
            let client = redis::Client::open(self.url()).unwrap();
            let answer = client
                .get_connection()
                .and_then(|mut connection| redis::cmd("PING").query::<String>(&mut connection));
            // One that asks for a password answers, too.
            answer.map_or_else(|error| error.to_string().contains("NOAUTH"), |pong| pong == "PONG")
        });
    }
}

/// Options for the queue of a test whose server is there.
pub(crate) fn queue_at(url: &str) -> RedisBuilder {
    RedisSource::builder(url, "q")
}

fn run(folder: &TempDir, options: &[String]) -> io::Result<Child> {
    let mut command = Command::new("redis-server");
    command.args(["--port", "0", "--save", "", "--unixsocket"]).arg(folder.path().join("socket"));
    command.arg("--dir").arg(folder.path()).args(options);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
