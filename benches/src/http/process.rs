//! A server as a process of its own, so that its CPU time is not the load generator's.
//!
//! The benchmark's program starts itself again with hidden arguments, `--serve NAME`. The child binds a free port on
//! 127.0.0.1 and writes its number on standard output; each line on its standard input is then answered with the CPU
//! time it has used so far (user and system, in microseconds), and with the bytes it has allocated and not freed where
//! its allocator knows. When its standard input ends, so does the child: none survives a benchmark that was
//! interrupted.
//!
//! A server that is somebody else's program is attended by a child that answers for it, and names the processes that
//! serve behind the port.

use super::attending::answer_questions;
use super::{Server, go, nginx};
use crate::cpu::CpuTime;
use crate::report::{complain, say};
use socket2::SockRef;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
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
    let root = PathBuf::from(arguments.next().unwrap_or_default());
    let outcome = match server {
        Server::Nginx => nginx::attend(nginx::Task::Greeting),
        Server::NginxTls => nginx::attend(nginx::Task::Tls),
        Server::NginxFiles => nginx::attend(nginx::Task::Files(&root)),
        Server::NginxCompressing => nginx::attend(nginx::Task::Compressing(&root)),
        _ => serve(server, root).map_err(Into::into),
    };
    if let Err(error) = outcome {
        complain(&format!("the {name} server cannot start: {error}"));
        process::exit(1);
    }
    process::exit(0);
}

fn serve(server: Server, root: PathBuf) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    // All connections come at once; where they do not fit, TCP tries again after seconds.
    SockRef::from(&listener).listen(BACKLOG)?;
    say(&listener.local_addr()?.port().to_string());
    thread::spawn(move || {
        let reason = match server.serve(listener, &root) {
            Ok(()) => "it stopped serving".to_owned(),
            Err(error) => error.to_string(),
        };
        complain(&format!("the {} server failed: {reason}", server.name()));
        process::exit(1);
    });
    answer_questions(|| Ok(CpuTime::of_this_process()))
}

/// A running server. Dropping it ends the process.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    /// Those that serve, if that is not the child.
    others: Vec<u32>,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl ServerProcess {
    /// Starts a server on a free port of 127.0.0.1; it listens when this returns.
    ///
    /// # Errors
    /// When the process cannot be started or does not come up.
    pub fn start(server: Server) -> io::Result<Self> {
        Self::start_at(Path::new(""), server)
    }

    /// The same for a server of the files in `root`.
    ///
    /// # Errors
    /// As above.
    pub fn start_at(root: &Path, server: Server) -> io::Result<Self> {
        let mut child = command(server)?.arg(root).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(questions), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("the server process has no standard streams"));
        };
        let mut process = Self {
            child,
            others: Vec::new(),
            questions: Some(questions),
            answers: BufReader::new(answers),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        };
        let answer = process.answer()?;
        let (port, others) = answer.split_once(' ').unwrap_or((&answer, ""));
        process.address.set_port(port.parse().map_err(|_| unexpected(&answer))?);
        let others = others.split_whitespace().map(|other| other.parse().map_err(|_| unexpected(&answer)));
        process.others = others.collect::<Result<_, _>>()?;
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
        if let Some(questions) = &mut self.questions {
            writeln!(questions)?;
        }
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

    /// The sum over all processes that serve.
    fn status(&self, field: &str) -> io::Result<u64> {
        match &self.others[..] {
            [] => status(self.child.id(), field),
            others => others.iter().map(|&other| status(other, field)).sum(),
        }
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
        self.questions = None;
        // Whoever attends to others ends them first; that the child is there is all that it needs.
        if self.others.is_empty() {
            // It may have ended by itself, and then there is nothing left to do.
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

fn status(process: u32, field: &str) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let value = status.lines().find_map(|line| line.strip_prefix(field)?.split_whitespace().next());
    let value = value.and_then(|value| value.parse().ok());
    value.ok_or_else(|| io::Error::other(format!("the kernel does not tell {field}")))
}

/// This program, asked to be that server; or the server's own.
fn command(server: Server) -> io::Result<Command> {
    if server.is_in_go() {
        return Ok(Command::new(go::program(server).map_err(io::Error::other)?));
    }
    let mut command = Command::new(env::current_exe()?);
    command.args([SERVE, server.name()]);
    Ok(command)
}

fn unexpected(answer: &str) -> io::Error {
    io::Error::other(format!("the server process said {answer:?}"))
}
