//! Ctrl-C.

use std::{
    path::PathBuf,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::Place;

const PATIENCE: Duration = Duration::from_secs(20);

/// The processes that a process has started, and those that they have.
fn descendants(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
    let tasks = tasks
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let lists =
        tasks.map(|task| std::fs::read_to_string(task.join("children")).unwrap_or_default());
    let children: Vec<u32> = lists
        .flat_map(|list| {
            list.split_whitespace()
                .map(|pid| pid.parse().unwrap())
                .collect::<Vec<_>>()
        })
        .collect();
    let further = children.iter().flat_map(|child| descendants(*child));
    further.chain(children.clone()).collect()
}

fn wait_until(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is() {
        assert!(
            Instant::now() < deadline,
            "waiting for {what} took too long"
        );
        thread::sleep(Duration::from_millis(5));
    }
}

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

#[test]
fn ctrl_c_ends_all_processes_and_leaves_no_folder() {
    for (ending, scenario) in [(Signal::INT, "idle"), (Signal::TERM, "commands")] {
        let place = Place::new();
        let mut bench = place.bench(&[scenario, "--against", "null"]);
        let mut bench = bench
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The compositor, the device of its guest, and the device that does nothing.
        let mut started = Vec::new();
        wait_until("the processes", || {
            started = descendants(bench.id());
            started.len() >= 3
        });
        signal(&bench, ending);
        let mut status = None;
        wait_until("its end", || {
            status = bench.try_wait().unwrap();
            status.is_some()
        });
        assert_ne!(status.unwrap().code(), Some(0));
        let is_gone = |pid: &u32| !PathBuf::from(format!("/proc/{pid}")).exists();
        wait_until("the end of what it started", || started.iter().all(is_gone));
        place.assert_nothing_is_left();
    }
}
