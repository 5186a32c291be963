//! One connection to the server, made when it is needed and made anew when it was lost; and what its errors mean.

use std::time::Duration;

use redis::{
    Client, Connection, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, ServerErrorKind,
};

use super::names::{GROUP, Keys};
use crate::remote::error::SourceError;

/// A connection, or the lack of one.
pub(super) struct Link {
    client: Client,
    timeout: Duration,
    connection: Option<Connection>,
}

impl Link {
    /// A link on which the server answers within `timeout`, or is given up.
    pub(super) fn new(client: Client, timeout: Duration) -> Self {
        Link { client, timeout, connection: None }
    }

    /// True while there is a connection.
    pub(super) fn is_up(&self) -> bool {
        self.connection.is_some()
    }

    /// Makes calls on the connection, which is made first if there is none. After an error that leaves unclear what the
    /// server will say next, there is none.
    pub(super) fn call<R>(
        &mut self,
        keys: &Keys,
        calls: impl FnOnce(&mut Connection) -> RedisResult<R>,
    ) -> Result<R, SourceError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(connect(&self.client, self.timeout, keys)?),
        };
        calls(connection).map_err(|error| {
            let needs_groups = error.to_string().contains("NOGROUP");
            let error = meaning(error, &keys.streams[1]);
            // A queue that was removed while we use it is made anew with the next connection.
            if needs_groups || !matches!(error, SourceError::WrongType { .. } | SourceError::Denied(_)) {
                self.connection = None;
            }
            error
        })
    }

    /// Runs a script.
    pub(super) fn eval<R: FromRedisValue>(
        &mut self,
        keys: &Keys,
        script: &str,
        on: &[&str],
        prepare: impl FnOnce(&mut redis::Cmd),
    ) -> Result<R, SourceError> {
        let mut command = eval(script, on);
        prepare(&mut command);
        self.call(keys, |connection| command.query(connection))
    }

    /// Sends these commands together.
    pub(super) fn pipe<R: FromRedisValue>(
        &mut self,
        keys: &Keys,
        commands: &Pipeline,
    ) -> Result<R, SourceError> {
        self.call(keys, |connection| commands.query(connection))
    }
}

/// The call of a script, but for its arguments. The server keeps scripts it has seen, so the text costs little.
pub(super) fn eval(script: &str, on: &[&str]) -> redis::Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(script).arg(on.len()).arg(on);
    command
}

/// A connection on which everything is there that the queue needs.
fn connect(client: &Client, timeout: Duration, keys: &Keys) -> Result<Connection, SourceError> {
    let failed = |error| meaning(error, &keys.streams[1]);
    let mut connection = client.get_connection_with_timeout(timeout).map_err(failed)?;
    connection.set_read_timeout(Some(timeout)).map_err(failed)?;
    connection.set_write_timeout(Some(timeout)).map_err(failed)?;
    // A server that is out of memory refuses to make a group also when it is there, and then all is well.
    let mut out_of_memory = None;
    for key in &keys.streams {
        let mut create = redis::cmd("XGROUP");
        create.arg("CREATE").arg(key).arg(GROUP).arg("0").arg("MKSTREAM");
        if let Err(error) = create.exec(&mut connection) {
            let text = error.to_string();
            if text.contains("OOM") {
                out_of_memory = Some(error);
            } else if !text.contains("BUSYGROUP") {
                return Err(meaning(error, key));
            }
        }
    }
    for (command, key) in [("ZCARD", &keys.delayed), ("ZCARD", &keys.dead), ("HLEN", &keys.letters)] {
        redis::cmd(command).arg(key).exec(&mut connection).map_err(|error| meaning(error, key))?;
    }
    // Claims nothing: no entry is idle for that long.
    let mut claim = redis::cmd("XAUTOCLAIM");
    claim.arg(&keys.streams[0]).arg(GROUP).arg("nobody").arg(u32::MAX).arg("0-0").arg("COUNT").arg(1);
    claim.exec(&mut connection).map_err(|error| failed(out_of_memory.unwrap_or(error)))?;
    Ok(connection)
}

/// What an error of the server, or of the way to it, means to those who use the queue.
pub(super) fn meaning(error: RedisError, key: &str) -> SourceError {
    // In scripts and transactions the code stands somewhere in the text.
    let text = error.to_string();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&["WRONGTYPE"]) {
        return SourceError::WrongType { key: key.to_owned() };
    }
    // The last two are what a script is stopped with, before and since Redis 7.2.
    let denied = ["NOAUTH", "WRONGPASS", "NOPERM", "The user executing the script can't", "ACL failure"];
    if error.kind() == ErrorKind::AuthenticationFailed || says(&denied) {
        return SourceError::Denied(Box::new(error));
    }
    if says(&["nknown command", "nknown Redis command"]) {
        return SourceError::TooOld(format!("Redis 6.2 is needed, for XAUTOCLAIM; this one says: {text}"));
    }
    let may_pass = match error.kind() {
        ErrorKind::Io => true,
        ErrorKind::Server(kind) => matches!(
            kind,
            ServerErrorKind::BusyLoading
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
        ),
        _ => says(&["NOGROUP", "LOADING"]),
    };
    if may_pass { SourceError::Unreachable(Box::new(error)) } else { SourceError::Failed(Box::new(error)) }
}
