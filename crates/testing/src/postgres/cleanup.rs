//! Stops a server when its owner is dropped, or when the test process exits or is killed.
//!
//! 1. A shell reads from a pipe that only this process holds open.
//! 2. The pipe closes when the owner is dropped, or when this process exits or is killed.
//! 3. The shell then stops the server and removes its folder (`cleanup.sh`).

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Stops a server and removes its folder when dropped; see the module.
pub(super) struct Cleanup {
    shell: Child,
}

impl Cleanup {
    /// Starts the shell for `folder`. Call this before a server starts in it.
    pub(super) fn of(folder: &Path) -> Self {
        let shell = Command::new("sh")
            .args(["-c", include_str!("cleanup.sh"), "cleanup"])
            .arg(folder)
            .current_dir("/")
            // Ctrl-C in the terminal must reach the test only. The shell cleans up after the test.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("`sh` starts");
        Self { shell }
    }
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        self.shell.wait().ok();
    }
}
