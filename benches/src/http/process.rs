//! A server as a process of its own, so that its CPU time is not the load generator's.
//!
//! The benchmark's program starts itself again with hidden arguments, `--serve NAME`. The child binds a free port on
//! 127.0.0.1 and writes its number on standard output; each line on its standard input is then answered with the CPU
//! time it has used so far (user and system, in microseconds), and with the bytes it has allocated and not freed where
//! its allocator knows. When its standard input ends, so does the child: none
//! survives a benchmark that was interrupted.

use super::{Server, go};
use crate::allocations::live_bytes;
use crate::cpu::CpuTime;
use crate::report::{complain, say};
use socket2::SockRef;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;
use std::{env, fs, process, thread};

const SERVE: &str = "--serve";

/// Connections that may wait to be accepted. The standard library's 128 are fewer than the load generator opens.
const BACKLOG: i32 = 4096;

/// Turns the process into a server when it was started as one; otherwise does nothing. To be called first in `main`.
pub fn serve_if_asked() {
    let mut arguments = env::args().skip(1);
    if arguments.next().as_deref() != Some(SERVE) {
        return;
    }
    let name = arguments.next().unwrap_or_default();
    let Some(server) = Server::named(&name) else {
        complain(&format!("no server is called {name:?}"));
        process::exit(2);
    };
    if let Err(error) = serve(server) {
        complain(&format!("the {name} server cannot start: {error}"));
        process::exit(1);
    }
    process::exit(0);
}

fn serve(server: Server) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    // All connections come at once; where they do not fit, TCP tries again after seconds.
    SockRef::from(&listener).listen(BACKLOG)?;
    say(&listener.local_addr()?.port().to_string());
    thread::spawn(move || {
        let reason = match server.serve(listener) {
            Ok(()) => "it stopped serving".to_owned(),
            Err(error) => error.to_string(),
        };
        complain(&format!("the {} server failed: {reason}", server.name()));
        process::exit(1);
    });
    for question in io::stdin().lines() {
        question?;
        let used = CpuTime::of_this_process();
        let live = live_bytes().map_or(String::new(), |live| format!(" {live}"));
        say(&format!("{} {}{live}", used.user.as_micros(), used.system.as_micros()));
    }
    Ok(())
}

/// A running server. Dropping it ends the process.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl ServerProcess {
    /// Starts a server on a free port of 127.0.0.1; it listens when this returns.
    ///
    /// # Errors
    /// When the process cannot be started or does not come up.
    pub fn start(server: Server) -> io::Result<Self> {
        let mut child = command(server)?.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(questions), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("the server process has no standard streams"));
        };
        let mut process = Self {
            child,
            questions,
            answers: BufReader::new(answers),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        };
        let port = process.answer()?;
        process.address.set_port(port.parse().map_err(|_| unexpected(&port))?);
        Ok(process)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The CPU time it has used since it started, ended threads included.
    ///
    /// # Errors
    /// When the process does not answer any more.
    pub fn cpu_time(&mut self) -> io::Result<CpuTime> {
        match self.ask()?[..] {
            [user, system, ..] => {
                Ok(CpuTime { user: Duration::from_micros(user), system: Duration::from_micros(system) })
            }
            _ => Err(io::Error::other("the server process does not tell its CPU time")),
        }
    }

    /// The bytes it has allocated and not freed; none when its allocator does not know.
    ///
    /// # Errors
    /// When the process does not answer any more.
    pub fn live_bytes(&mut self) -> io::Result<Option<u64>> {
        Ok(self.ask()?.get(2).copied())
    }

    fn ask(&mut self) -> io::Result<Vec<u64>> {
        writeln!(self.questions)?;
        let answer = self.answer()?;
        answer.split(' ').map(|number| number.parse().map_err(|_| unexpected(&answer))).collect()
    }

    /// Its resident memory in KiB.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn resident(&self) -> io::Result<u64> {
        self.status("VmRSS:")
    }

    /// The most that was ever resident, in KiB.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn peak_resident(&self) -> io::Result<u64> {
        self.status("VmHWM:")
    }

    /// How many threads it has at this moment.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn threads(&self) -> io::Result<usize> {
        Ok(usize::try_from(self.status("Threads:")?).unwrap_or(usize::MAX))
    }

    fn status(&self, field: &str) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let value = status.lines().find_map(|line| line.strip_prefix(field)?.split_whitespace().next());
        let value = value.and_then(|value| value.parse().ok());
        value.ok_or_else(|| io::Error::other(format!("the kernel does not tell {field}")))
    }

    fn answer(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err(io::Error::other("the server process has ended; see its message above"));
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// This program, asked to be that server; or the server's own.
fn command(server: Server) -> io::Result<Command> {
    if let Server::Fasthttp | Server::NetHttp = server {
        return Ok(Command::new(go::program(server).map_err(io::Error::other)?));
    }
    let mut command = Command::new(env::current_exe()?);
    command.args([SERVE, server.name()]);
    Ok(command)
}

fn unexpected(answer: &str) -> io::Error {
    io::Error::other(format!("the server process said {answer:?}"))
}
