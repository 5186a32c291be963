//! nginx, where it is installed: its master and as many workers as lanes, with a configuration of the benchmark's own.
//!
//! It is set up for speed: no access log, `sendfile`, and open files that are kept, as many and as long as ours are.
//! Its workers have one thread each, so that the kernel's own count of a thread's time, in nanoseconds, is that of a
//! worker; the split into user and system follows its ticks.

use super::attending::answer_questions;
use super::{LANES, certificate, compressing, routes};
use crate::cpu::CpuTime;
use crate::report::say;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::error::Error;
use std::fs::{self, Permissions};
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Where it is looked for; the second is where Debian has it, which is in the path of few.
const PROGRAMS: [&str; 2] = ["nginx", "/usr/sbin/nginx"];

/// Where Debian has its module for brotli.
const BROTLI: &str = "/usr/lib/nginx/modules/ngx_http_brotli_filter_module.so";

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(10);

/// The version that is here.
///
/// # Errors
/// That there is none.
pub(super) fn version() -> Result<String, String> {
    find().map(|(_, version)| version).ok_or_else(|| "there is no nginx here".to_owned())
}

fn find() -> Option<(&'static str, String)> {
    PROGRAMS.into_iter().find_map(|program| {
        let output = Command::new(program).arg("-v").output().ok()?;
        let said = String::from_utf8_lossy(&output.stderr);
        Some((program, said.trim().rsplit(' ').next()?.to_owned()))
    })
}

/// What it serves.
#[derive(Debug, Clone, Copy)]
pub(super) enum Task<'a> {
    /// A greeting.
    Greeting,
    /// An encrypted greeting.
    Tls,
    /// The files of a folder.
    Files(&'a Path),
    /// The same, compressed for each request.
    Compressing(&'a Path),
}

/// Whether it can compress in brotli.
pub(super) fn has_brotli() -> bool {
    Path::new(BROTLI).exists()
}

/// Has it serve, and answers for it, until there are no more questions.
pub(super) fn attend(task: Task<'_>) -> Result<(), Box<dyn Error>> {
    let nginx = Nginx::start(task)?;
    let workers: Vec<_> = nginx.workers.iter().map(u32::to_string).collect();
    say(&format!("{} {}", nginx.port, workers.join(" ")));
    answer_questions(|| nginx.cpu_time())?;
    Ok(())
}

struct Nginx {
    master: Child,
    workers: Vec<u32>,
    port: u16,
    _folder: TempDir,
}

impl Nginx {
    fn start(task: Task<'_>) -> Result<Self, Box<dyn Error>> {
        let (program, _) = find().ok_or("there is no nginx here")?;
        let folder = tempfile::tempdir()?;
        // Its workers may be somebody else.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        // It listens by itself, so the port is free for a moment.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let configuration = folder.path().join("nginx.conf");
        fs::write(&configuration, configured(folder.path(), port, task)?)?;
        let master = Command::new(program)
            .args(["-e", "stderr", "-c"])
            .arg(&configuration)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        let mut nginx = Self { master, workers: Vec::new(), port, _folder: folder };
        let started = Instant::now();
        while nginx.workers.len() < LANES || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if let Some(status) = nginx.master.try_wait()? {
                return Err(format!("nginx ended with {status}").into());
            }
            if started.elapsed() > PATIENCE {
                return Err(format!("nginx does not serve after {PATIENCE:?}").into());
            }
            thread::sleep(Duration::from_millis(5));
            let master = nginx.master.id();
            let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children"))?;
            nginx.workers = children.split_whitespace().filter_map(|child| child.parse().ok()).collect();
        }
        Ok(nginx)
    }

    fn cpu_time(&self) -> io::Result<CpuTime> {
        let mut sum = CpuTime::default();
        for worker in &self.workers {
            let scheduled = fs::read_to_string(format!("/proc/{worker}/schedstat"))?;
            let stat = fs::read_to_string(format!("/proc/{worker}/stat"))?;
            sum += cpu_time(&scheduled, &stat)
                .ok_or_else(|| io::Error::other("the kernel does not tell the time of nginx"))?;
        }
        Ok(sum)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing left to do. Its workers end with it.
        if let Ok(master) = i32::try_from(self.master.id()) {
            let _ = kill(Pid::from_raw(master), Signal::SIGTERM);
        }
        let _ = self.master.wait();
    }
}

/// Of `NANOSECONDS ...` and `PID (NAME) STATE ...`, whose 14th and 15th fields are ticks in user code and in the
/// kernel.
fn cpu_time(scheduled: &str, stat: &str) -> Option<CpuTime> {
    let total = Duration::from_nanos(scheduled.split_whitespace().next()?.parse().ok()?);
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_whitespace().skip(11).map(|field| field.parse::<u32>().ok());
    let (user, system) = (fields.next()??, fields.next()??);
    let user = total.mul_f64(f64::from(user) / f64::from((user + system).max(1)));
    Some(CpuTime { user, system: total.saturating_sub(user) })
}

fn greeting() -> String {
    let (kind, greeting) = (routes::CONTENT_TYPE, routes::HELLO);
    format!("location = / {{ default_type '{kind}'; return 200 '{greeting}'; }}")
}

fn configured(folder: &Path, port: u16, task: Task<'_>) -> Result<String, Box<dyn Error>> {
    let place = folder.display();
    let mut modules = String::new();
    let (listen, server) = match task {
        Task::Greeting => ("", greeting()),
        Task::Files(root) => ("", format!("root {};", root.display())),
        Task::Compressing(root) => {
            // The levels that the others have as well.
            let kind = compressing::CONTENT_TYPE;
            let mut server = format!(
                "root {};
                 types {{ {kind} json; }}
                 gzip on;
                 gzip_types {kind};
                 gzip_comp_level 6;
                 gzip_min_length 200;
                 gzip_vary on;",
                root.display()
            );
            if has_brotli() {
                modules = format!("load_module {BROTLI};");
                server +=
                    &format!("brotli on; brotli_types {kind}; brotli_comp_level 4; brotli_min_length 200;");
            }
            ("", server)
        }
        Task::Tls => {
            let (certificate, key) = certificate::make()?;
            fs::write(folder.join("certificate.pem"), certificate)?;
            fs::write(folder.join("key.pem"), key)?;
            let server = format!(
                "ssl_certificate {place}/certificate.pem;
                 ssl_certificate_key {place}/key.pem;
                 ssl_protocols TLSv1.3;
                 {}",
                greeting()
            );
            (" ssl", server)
        }
    };
    Ok(format!(
        "{modules}
         daemon off;
         worker_processes {LANES};
         worker_rlimit_nofile 20000;
         pid {place}/pid;
         events {{ worker_connections 16384; }}
         http {{
             access_log off;
             types {{ text/plain txt; }}
             sendfile on;
             tcp_nopush on;
             keepalive_timeout 1h;
             keepalive_requests 1000000000;
             open_file_cache max=1024 inactive=10s;
             open_file_cache_valid 10s;
             client_body_temp_path {place}/body;
             proxy_temp_path {place}/proxy;
             fastcgi_temp_path {place}/fastcgi;
             uwsgi_temp_path {place}/uwsgi;
             scgi_temp_path {place}/scgi;
             server {{
                 listen 127.0.0.1:{port}{listen} backlog=4096;
                 {server}
             }}
         }}\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_split_by_ticks() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194560 100 0 0 0 3 1 0 0 20 0 1 0 5";
        let time = cpu_time("8000000 12 3", stat).unwrap();
        assert_eq!((time.user, time.system), (Duration::from_millis(6), Duration::from_millis(2)));
        assert_eq!(cpu_time("", stat), None);
        assert_eq!(cpu_time("8000000 12 3", "7 (a) S 1"), None);
    }
}
