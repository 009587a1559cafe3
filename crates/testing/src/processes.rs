//! Finds the processes of one server by the folder they run in, and signals all of them.
//!
//! PostgreSQL runs many processes. Each has its own session, and their parent changes when the main
//! process dies. They share only their current folder, which is the data folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::poll;

const DEADLINE: Duration = Duration::from_secs(20);

/// The processes whose current folder is this folder or below it.
pub(crate) struct Processes {
    folder: PathBuf,
}

impl Processes {
    /// `folder` must be a path without symbolic links.
    pub(crate) fn of(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Kills all processes at once, as a crash does. Returns when none is left.
    pub(crate) fn kill(&self) {
        poll::until("the processes are gone", DEADLINE, || {
            let alive = self.alive();
            for pid in &alive {
                send(*pid, Signal::KILL);
            }
            alive.is_empty().then_some(())
        });
    }

    /// Suspends all processes (SIGSTOP). Returns when each of them is suspended.
    pub(crate) fn freeze(&self) {
        poll::until("the processes are suspended", DEADLINE, || {
            // List the processes each time: one that still ran may have started another.
            let running: Vec<Pid> = self.alive().into_iter().filter(|pid| !is_frozen(*pid)).collect();
            for pid in &running {
                send(*pid, Signal::STOP);
            }
            running.is_empty().then_some(())
        });
    }

    /// Resumes all processes (SIGCONT).
    pub(crate) fn thaw(&self) {
        for pid in self.alive() {
            send(pid, Signal::CONT);
        }
    }

    /// The CPU time of the present processes. The first field of schedstat has it in nanoseconds.
    pub(crate) fn cpu(&self) -> Duration {
        let cpu_of = |pid: Pid| {
            let text = fs::read_to_string(format!("/proc/{}/schedstat", pid.as_raw_nonzero())).ok()?;
            text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
        };
        self.alive().into_iter().filter_map(cpu_of).sum()
    }

    /// Waits until no process is left.
    pub(crate) fn wait_until_gone(&self) {
        poll::until("the processes are gone", DEADLINE, || {
            self.alive().is_empty().then_some(())
        });
    }

    /// The processes that are not zombies: a zombie has no current folder.
    pub(crate) fn alive(&self) -> Vec<Pid> {
        let entries = fs::read_dir("/proc").expect("/proc is mounted");
        entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
                let folder = fs::read_link(entry.path().join("cwd")).ok()?;
                folder.starts_with(&self.folder).then(|| Pid::from_raw(pid))?
            })
            .collect()
    }
}

/// Sends a signal. Does nothing if the process is gone already.
pub(crate) fn send(pid: Pid, signal: Signal) {
    kill_process(pid, signal).ok();
}

/// Whether the process is suspended or gone.
fn is_frozen(pid: Pid) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())) else {
        return true;
    };
    // The format is `PID (NAME) STATE …`; the name may hold any character.
    let state = stat
        .rsplit_once(')')
        .and_then(|(_, rest)| rest.trim_start().chars().next());
    matches!(state, Some('T' | 'Z' | 'X'))
}
