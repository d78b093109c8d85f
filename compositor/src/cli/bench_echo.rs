//! `lucarne bench-echo`: the other process of a ping-pong; see [`ping_pong`].

use std::{
    os::{fd::RawFd, unix::net::UnixStream},
    process::ExitCode,
};

use clap::Args;

use crate::{bench::measure::ping_pong, guests::process::inherited_fd};

/// Give back every byte that comes through a socket.
#[derive(Debug, Args)]
#[command(hide = true)]
pub(super) struct BenchEcho {
    /// The number of the socket, which was left open
    #[arg(long, value_name = "N")]
    fd: RawFd,
}

impl BenchEcho {
    pub(super) fn main(self) -> anyhow::Result<ExitCode> {
        ping_pong::echo(UnixStream::from(inherited_fd(self.fd)?))?;
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::{super::Cli, *};

    #[test]
    fn it_is_called_what_a_ping_pong_starts() {
        let command = Cli::command();
        assert!(command.find_subcommand(ping_pong::SUBCOMMAND).is_some());
    }
}
