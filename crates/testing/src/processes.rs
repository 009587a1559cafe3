//! The processes of one server, found by the folder they run in, and signals to all of them.
//!
//! PostgreSQL is many processes, each in a session of its own, and their parents change when the first one dies. What
//! they share is the current folder: the data folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::poll;

const DEADLINE: Duration = Duration::from_secs(20);

/// The processes whose current folder is this one or lies in it.
pub(crate) struct Processes {
    folder: PathBuf,
}

impl Processes {
    /// Of a folder, named without symbolic links.
    pub(crate) fn of(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Ends them all at once, as a crash does; back when none is left.
    pub(crate) fn kill(&self) {
        poll::until("the processes are gone", DEADLINE, || {
            let alive = self.alive();
            for pid in &alive {
                send(*pid, Signal::KILL);
            }
            alive.is_empty().then_some(())
        });
    }

    /// Stops them all where they stand; back when each of them does.
    pub(crate) fn freeze(&self) {
        poll::until("the processes stand still", DEADLINE, || {
            // Asked anew each time: one that still ran may have started another.
            let running: Vec<Pid> = self.alive().into_iter().filter(|pid| !is_frozen(*pid)).collect();
            for pid in &running {
                send(*pid, Signal::STOP);
            }
            running.is_empty().then_some(())
        });
    }

    /// Lets them go on.
    pub(crate) fn thaw(&self) {
        for pid in self.alive() {
            send(pid, Signal::CONT);
        }
    }

    /// CPU time of those that there are, from the first field of schedstat (nanoseconds on the processor).
    pub(crate) fn cpu(&self) -> Duration {
        let of_one = |pid: Pid| {
            let text = fs::read_to_string(format!("/proc/{}/schedstat", pid.as_raw_nonzero())).ok()?;
            text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
        };
        self.alive().into_iter().filter_map(of_one).sum()
    }

    /// Waits until none is left.
    pub(crate) fn wait_until_gone(&self) {
        poll::until("the processes are gone", DEADLINE, || {
            self.alive().is_empty().then_some(())
        });
    }

    /// Those that are no zombies: a zombie has no folder any more. The oldest usually comes first.
    pub(crate) fn alive(&self) -> Vec<Pid> {
        let entries = fs::read_dir("/proc").expect("/proc is there");
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

/// A signal; to a process that is gone already it is lost.
pub(crate) fn send(pid: Pid, signal: Signal) {
    kill_process(pid, signal).ok();
}

/// Whether the process was stopped, or is gone.
fn is_frozen(pid: Pid) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())) else {
        return true;
    };
    // PID (NAME) STATE …, where the name may hold any character.
    let state = stat
        .rsplit_once(')')
        .and_then(|(_, rest)| rest.trim_start().chars().next());
    matches!(state, Some('T' | 'Z' | 'X'))
}
