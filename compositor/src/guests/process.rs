//! One child process: started so that it can't outlive this program, watched by a pidfd, its
//! output in a pipe.

use std::{
    fs::File,
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd as _, OwnedFd, RawFd},
        unix::process::CommandExt as _,
    },
    process::{Child, Command, ExitStatus, Stdio},
};

use nix::sys::signal::{SigHandler, SigSet, signal};
use rustix::{
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    io::{FdFlags, fcntl_setfd},
    pipe::{PipeFlags, pipe_with},
    process::{
        Pid, PidfdFlags, Signal, getpid, getppid, kill_process, kill_process_group, pidfd_open,
        set_parent_process_death_signal,
    },
};

use crate::service;

/// A child process in a process group of its own: Ctrl-C in a terminal reaches this program
/// alone, which then stops its children in their order. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    group: Pid,
    reaped: bool,
}

/// A started process and what has to be watched of it.
#[derive(Debug)]
pub struct Started {
    /// The process.
    pub process: Process,
    /// Becomes readable when the process ends.
    pub pidfd: OwnedFd,
    /// What it writes to its standard output and error; not blocking.
    pub output: File,
}

impl Process {
    /// Starts `command` with nothing to read. It inherits the file descriptors of `inherited`
    /// under the numbers that they have here, and is killed should this thread end. Our service
    /// manager is not its business.
    ///
    /// # Errors
    /// What the system says about the program or the lack of resources.
    pub fn start(mut command: Command, inherited: &[BorrowedFd<'_>]) -> io::Result<Started> {
        let (read_end, write_end) = pipe_with(PipeFlags::CLOEXEC)?;
        let flags = fcntl_getfl(&read_end)?;
        fcntl_setfl(&read_end, flags | OFlags::NONBLOCK)?;
        command.stdout(write_end.try_clone()?).stderr(write_end);
        let process = Self::spawn(command, inherited)?;
        // The child has not been waited for, so that the number can't have been given to another.
        let pidfd = pidfd_open(process.group, PidfdFlags::empty())?;
        Ok(Started {
            process,
            pidfd,
            output: File::from(read_end),
        })
    }

    /// The same for one that nobody watches and whose output goes where `command` says.
    ///
    /// # Errors
    /// What the system says about the program or the lack of resources.
    pub fn spawn(mut command: Command, inherited: &[BorrowedFd<'_>]) -> io::Result<Self> {
        command.stdin(Stdio::null()).process_group(0);
        for name in service::VARIABLES {
            command.env_remove(name);
        }
        let prepare = prepare_child(inherited.iter().map(AsRawFd::as_raw_fd).collect());
        // SAFETY: between fork and exec only functions that are safe after a fork may be called.
        // `prepare` makes system calls through rustix, which issues them directly, and calls
        // pthread_sigmask, which is one of those functions; it neither allocates nor takes locks.
        unsafe { command.pre_exec(prepare) };
        let child = command.spawn()?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let group = pid.ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self {
            child,
            group,
            reaped: false,
        })
    }

    /// The process' number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the process and to all that it started within its group. That it has
    /// ended already is no error.
    pub fn signal(&self, signal: Signal) {
        if self.reaped {
            return;
        }
        let mut sent = kill_process_group(self.group, signal);
        if signal == Signal::TERM {
            // One that is paused would not hear it.
            sent = sent.and_then(|()| kill_process_group(self.group, Signal::CONT));
        }
        if let Err(error) = sent
            && error != rustix::io::Errno::SRCH
        {
            tracing::warn!(
                pid = self.id(),
                "Could not send {signal:?} to a process: {error}"
            );
        }
    }

    /// Stops the process alone, or lets it go on; what it started is its own business.
    ///
    /// # Errors
    /// It has ended.
    pub fn pause(&self, on: bool) -> io::Result<()> {
        if self.reaped {
            return Err(io::ErrorKind::NotFound.into());
        }
        let signal = if on { Signal::STOP } else { Signal::CONT };
        Ok(kill_process(self.group, signal)?)
    }

    /// The exit status if the process has ended; what is left of its group is killed then.
    ///
    /// # Errors
    /// What the system says.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        if !self.reaped && self.has_ended()? {
            // While it is a zombie its number names its group and nothing else.
            self.signal(Signal::KILL);
        }
        let status = self.child.try_wait()?;
        self.reaped |= status.is_some();
        Ok(status)
    }

    fn has_ended(&self) -> io::Result<bool> {
        use rustix::process::{WaitId, WaitIdOptions, waitid};
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(waitid(WaitId::Pid(self.group), options)?.is_some())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.reaped {
            return;
        }
        self.signal(Signal::KILL);
        if let Err(error) = self.child.wait() {
            tracing::warn!(
                pid = self.id(),
                "Could not wait for a killed process: {error}"
            );
        }
    }
}

/// What the child does before it becomes the program.
fn prepare_child(inherited: Vec<RawFd>) -> impl FnMut() -> io::Result<()> {
    let parent = getpid();
    move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have ended before the line above.
        if getppid() != Some(parent) {
            return Err(io::ErrorKind::NotConnected.into());
        }
        // Signals that this program takes from a file descriptor are blocked in it.
        SigSet::empty().thread_set_mask()?;
        for &fd in &inherited {
            // SAFETY: the caller of `Process::start` holds these descriptors open through the
            // fork, and the child has its own copies of them.
            let fd = unsafe { BorrowedFd::borrow_raw(fd) };
            fcntl_setfd(fd.as_fd(), FdFlags::empty())?;
        }
        Ok(())
    }
}

/// Takes over a file descriptor that whoever started this process left open under a number it was
/// told. To be called once for a number, before anything else could have opened it.
///
/// # Errors
/// There is none of that number.
pub(crate) fn inherited_fd(number: RawFd) -> io::Result<OwnedFd> {
    let not_there = |error: rustix::io::Errno| {
        let text = format!("Could not use the file descriptor {number}: {error}. Check its number");
        io::Error::new(io::Error::from(error).kind(), text)
    };
    if number <= 2 {
        return Err(not_there(rustix::io::Errno::BADF));
    }
    // SAFETY: the descriptor is only asked for its flags, which fails if there is none.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    rustix::io::fcntl_getfd(borrowed).map_err(not_there)?;
    fcntl_setfd(borrowed, FdFlags::CLOEXEC).map_err(not_there)?;
    // SAFETY: it is open, as was just found out, and handed to this process by its number: nobody
    // else in it owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Leaves a process that was just started nothing but its standard input, output and error, and the
/// kernel's way with signals. To be called first, as long as nothing in it owns a descriptor.
pub(crate) fn leave_bare() {
    let links = std::fs::read_dir("/proc/self/fd").into_iter().flatten();
    let number =
        |link: io::Result<std::fs::DirEntry>| link.ok()?.file_name().to_str()?.parse().ok();
    // The list is complete before any is closed, and the descriptor that it was read from is closed.
    let open: Vec<RawFd> = links.filter_map(number).collect();
    for fd in open.into_iter().filter(|fd| *fd > 2) {
        // SAFETY: the descriptor is only asked for its flags, which fails if there is none.
        let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
        if rustix::io::fcntl_getfd(borrowed).is_ok() {
            // SAFETY: it is open, and came from whoever started this process: nobody in it owns it.
            drop(unsafe { OwnedFd::from_raw_fd(fd) });
        }
    }
    // Rust catches them to tell of a stack that is too small, and lets the first one that somebody
    // sends pass: such a process could be asked to fail and would not.
    for name in [nix::sys::signal::SIGSEGV, nix::sys::signal::SIGBUS] {
        // SAFETY: no function of this program is to be called. Fails for no signal that exists.
        let _ = unsafe { signal(name, SigHandler::SigDfl) };
    }
}

/// An exit status in words that fit into parentheses: "exit status 1", "killed by signal 9".
#[must_use]
pub fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use rustix::event::{PollFd, PollFlags, poll};

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    fn wait(started: &mut Started) -> ExitStatus {
        let mut fds = [PollFd::new(&started.pidfd, PollFlags::IN)];
        poll(&mut fds, None).unwrap();
        started.process.try_wait().unwrap().unwrap()
    }

    /// All that the process and what it started write. Other tests' children may hold the pipe for
    /// a moment too.
    fn read_all(started: &mut Started) -> String {
        let mut text = String::new();
        loop {
            match started.output.read_to_string(&mut text) {
                Ok(_) => return text,
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
            let mut fds = [PollFd::new(&started.output, PollFlags::IN)];
            poll(&mut fds, None).unwrap();
        }
    }

    #[test]
    fn output_and_status_arrive() {
        let mut started = Process::start(shell("echo out; echo err >&2; exit 3"), &[]).unwrap();

        assert_eq!(describe(wait(&mut started)), "exit status 3");
        assert_eq!(read_all(&mut started), "out\nerr\n");
    }

    #[test]
    fn descriptors_are_inherited_under_their_numbers_and_only_those() {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let other = File::open("/dev/null").unwrap();
        let script = format!(
            "test -e /proc/self/fd/{} && ! test -e /proc/self/fd/{}",
            theirs.as_raw_fd(),
            other.as_raw_fd()
        );
        let mut started = Process::start(shell(&script), &[theirs.as_fd()]).unwrap();
        assert!(wait(&mut started).success());
        drop(ours);
    }

    #[test]
    fn a_signal_reaches_what_the_process_started() {
        // The shell waits for a child that holds the pipe open: only when both are gone the
        // pipe ends.
        let mut started = Process::start(shell("echo x; sleep 1000; true"), &[]).unwrap();
        let mut fds = [PollFd::new(&started.output, PollFlags::IN)];
        poll(&mut fds, None).unwrap();

        started.process.signal(Signal::TERM);

        assert_eq!(describe(wait(&mut started)), "killed by signal 15");
        assert_eq!(read_all(&mut started), "x\n");
    }

    #[test]
    fn a_process_is_paused_and_goes_on() {
        let mut started = Process::start(shell("kill -STOP $$; echo on"), &[]).unwrap();
        let state = |id: u32| {
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
            stat.rsplit_once(") ").unwrap().1.chars().next()
        };
        let id = started.process.id();
        while state(id) != Some('T') {
            std::thread::yield_now();
        }
        started.process.pause(false).unwrap();
        wait(&mut started);
        assert_eq!(read_all(&mut started), "on\n");
        assert!(started.process.pause(true).is_err());

        let mut started = Process::start(shell("while :; do :; done"), &[]).unwrap();
        started.process.pause(true).unwrap();
        while state(started.process.id()) != Some('T') {
            std::thread::yield_now();
        }
        started.process.signal(Signal::TERM);
        assert_eq!(describe(wait(&mut started)), "killed by signal 15");
    }

    #[test]
    fn what_a_process_leaves_behind_is_killed_when_it_is_waited_for() {
        let mut started = Process::start(shell("sleep 1000 & exit 0"), &[]).unwrap();
        assert!(wait(&mut started).success());
        assert_eq!(read_all(&mut started), "");
    }

    #[test]
    fn signals_that_are_blocked_here_are_not_in_the_process() {
        SigSet::all().thread_block().unwrap();
        let mut started = Process::start(shell("kill -TERM $$"), &[]).unwrap();
        assert_eq!(describe(wait(&mut started)), "killed by signal 15");
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        let error = Process::start(Command::new("/nowhere/vmm"), &[]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn dropping_kills() {
        let started = Process::start(shell("sleep 1000"), &[]).unwrap();
        let pidfd = started.pidfd;
        drop(started.process);
        let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
        assert_eq!(
            poll(&mut fds, Some(&rustix::event::Timespec::default())).unwrap(),
            1
        );
    }
}
