//! Servers in Go, where a Go toolchain is at hand: fasthttp where its source is there as well, and the standard
//! library's `net/http`. Nothing is fetched: packages come from `GOPATH`, or from where Debian keeps its own.
//!
//! They are compiled once for a benchmark, beside the benchmark's program, and speak the same protocol on their
//! standard streams as the servers in Rust do (see `process`).

use super::Server;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Where Debian installs the source of Go packages.
const DEBIAN: &str = "/usr/share/gocode";

const FASTHTTP: &str = "src/github.com/valyala/fasthttp";

const COMMON: &str = include_str!("go/common.go");

/// The source of a server in Go; none when the server is not in Go.
fn source(server: Server) -> Option<&'static str> {
    match server {
        Server::Fasthttp => Some(include_str!("go/fasthttp.go")),
        Server::NetHttp => Some(include_str!("go/nethttp.go")),
        Server::NetHttpFiles => Some(include_str!("go/files.go")),
        Server::NetHttpCompressing => Some(include_str!("go/compressing.go")),
        _ => None,
    }
}

/// The Go that is here, and where it may look for packages.
struct Toolchain {
    version: String,
    path: String,
}

impl Toolchain {
    fn find() -> Result<Self, String> {
        let ask = |what: &str| {
            let output = Command::new("go").args(["env", what]).output().ok();
            let output = output.filter(|output| output.status.success());
            output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        let (Some(version), Some(path)) = (ask("GOVERSION"), ask("GOPATH")) else {
            return Err("there is no Go here".to_owned());
        };
        Ok(Self { version, path: format!("{path}:{DEBIAN}") })
    }

    fn has(&self, package: &str) -> bool {
        self.path.split(':').any(|place| Path::new(place).join(package).is_dir())
    }

    fn compile(&self, server: Server, source: &str) -> Result<(), String> {
        let program = program(server)?;
        let folder = program.with_extension("src");
        let failed = |error| format!("{} cannot be written: {error}", folder.display());
        fs::create_dir_all(&folder).map_err(failed)?;
        fs::write(folder.join("main.go"), source).map_err(failed)?;
        fs::write(folder.join("common.go"), COMMON).map_err(failed)?;
        let output = Command::new("go")
            .args(["build", "-o"])
            .arg(&program)
            .args(["main.go", "common.go"])
            .current_dir(&folder)
            // Without modules, so that nothing is looked for on the network.
            .envs([("GO111MODULE", "off"), ("GOPATH", &self.path), ("GOFLAGS", "")])
            .output();
        match output {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(format!(
                "{} does not compile here: {}",
                server.name(),
                String::from_utf8_lossy(&output.stderr)
            )),
            Err(error) => Err(format!("go cannot be run: {error}")),
        }
    }
}

/// Where the program of a server in Go is, once it was prepared.
pub(super) fn program(server: Server) -> Result<PathBuf, String> {
    let own = env::current_exe().map_err(|error| error.to_string())?;
    Ok(own.with_file_name(format!("go-{}", server.name())))
}

/// Compiles a server; says which Go that was.
///
/// # Errors
/// What is not here, or does not compile.
pub(super) fn prepare(server: Server) -> Result<String, String> {
    let source = source(server).ok_or("it is not in Go")?;
    let toolchain = Toolchain::find()?;
    if server == Server::Fasthttp && !toolchain.has(FASTHTTP) {
        return Err("its source is not in GOPATH".to_owned());
    }
    toolchain.compile(server, source)?;
    Ok(toolchain.version)
}
