//! What is to be done, in SQLite.
//!
//! SQLite does one thing after the other, so one connection behind a lock is enough; who waits for it waits on a thread
//! of their own.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, Result, Row};

const TABLE: &str = "PRAGMA journal_mode = WAL;
    CREATE TABLE IF NOT EXISTS todos (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        title TEXT NOT NULL,
        done INTEGER NOT NULL DEFAULT 0
    )";

pub(crate) struct Store(Mutex<Connection>);

pub(crate) struct Todo {
    pub(crate) id: i64,
    pub(crate) title: String,
    pub(crate) done: bool,
}

/// Which are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filter {
    All,
    Open,
    Done,
}

impl Filter {
    pub(crate) const ALL: [Self; 3] = [Self::All, Self::Open, Self::Done];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Open => "open",
            Self::Done => "done",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|filter| filter.name() == name)
    }
}

impl Store {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let connection = Connection::open(path)?;
        connection.execute_batch(TABLE)?;
        Ok(Self(Mutex::new(connection)))
    }

    pub(crate) fn list(&self, filter: Filter) -> Result<Vec<Todo>> {
        let only = match filter {
            Filter::All => None,
            Filter::Open => Some(false),
            Filter::Done => Some(true),
        };
        let connection = self.connection();
        let mut select = connection
            .prepare_cached("SELECT id, title, done FROM todos WHERE ?1 IS NULL OR done = ?1 ORDER BY id")?;
        select.query_map([only], todo)?.collect()
    }

    pub(crate) fn open_count(&self) -> Result<i64> {
        self.connection().query_row("SELECT COUNT(*) FROM todos WHERE NOT done", [], |row| row.get(0))
    }

    pub(crate) fn get(&self, id: i64) -> Result<Option<Todo>> {
        self.connection().query_row("SELECT id, title, done FROM todos WHERE id = ?1", [id], todo).optional()
    }

    pub(crate) fn add(&self, title: &str) -> Result<()> {
        self.connection().execute("INSERT INTO todos (title) VALUES (?1)", [title]).map(drop)
    }

    /// False: there is none of that number. So are the next two.
    pub(crate) fn rename(&self, id: i64, title: &str) -> Result<bool> {
        Ok(self.connection().execute("UPDATE todos SET title = ?2 WHERE id = ?1", (id, title))? == 1)
    }

    pub(crate) fn toggle(&self, id: i64) -> Result<bool> {
        Ok(self.connection().execute("UPDATE todos SET done = NOT done WHERE id = ?1", [id])? == 1)
    }

    pub(crate) fn delete(&self, id: i64) -> Result<bool> {
        Ok(self.connection().execute("DELETE FROM todos WHERE id = ?1", [id])? == 1)
    }

    pub(crate) fn clear_done(&self) -> Result<()> {
        self.connection().execute("DELETE FROM todos WHERE done", []).map(drop)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A handler that has panicked left no statement half done: each is a transaction.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn todo(row: &Row<'_>) -> Result<Todo> {
    Ok(Todo { id: row.get(0)?, title: row.get(1)?, done: row.get(2)? })
}
