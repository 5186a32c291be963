//! Thousands of connections that do next to nothing: for what a server keeps in memory, not for how fast it is.

use super::exchange::Exchange;
use super::lone::Lone;
use super::wire::Encryption;
use std::net::SocketAddr;
use std::time::Duration;

/// Far above what the last of thousands has to wait.
const PATIENCE: Duration = Duration::from_secs(60);

/// Connections that stay open until it is dropped.
#[derive(Debug)]
pub struct Crowd {
    address: SocketAddr,
    encryption: Option<Encryption>,
    members: Vec<Lone>,
}

impl Crowd {
    /// Nobody yet.
    #[must_use]
    pub fn of(address: SocketAddr) -> Self {
        Self { address, encryption: None, members: Vec::new() }
    }

    /// The same, whose connections are encrypted. They ask nothing but what they ask when they join.
    #[must_use]
    pub fn encrypted(self) -> Self {
        Self { encryption: Some(Encryption::new(false)), ..self }
    }

    /// So many more connections, each of which asks once and is answered before the next one connects.
    ///
    /// # Errors
    /// When one cannot connect, or its answer is not the right one.
    pub fn join(&mut self, count: usize, exchange: &Exchange) -> Result<(), String> {
        for _ in 0..count {
            let mut member = Lone::connect(self.address, self.encryption.as_ref(), PATIENCE)?;
            member.send(&exchange.request(self.address))?;
            member.receive(exchange)?;
            // A client's session takes as much memory as a server's.
            if self.encryption.is_some() {
                member.fall_silent();
            }
            self.members.push(member);
        }
        Ok(())
    }

    /// All ask, and only then all wait for their answers.
    ///
    /// # Errors
    /// When one answer is not the right one, or does not come.
    pub fn ask_at_once(&mut self, exchange: &Exchange) -> Result<(), String> {
        let request = exchange.request(self.address);
        for member in &mut self.members {
            member.send(&request)?;
        }
        self.members.iter_mut().try_for_each(|member| member.receive(exchange))
    }
}
