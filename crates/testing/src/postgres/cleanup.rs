//! Ends a server whichever way its owner ends.
//!
//! A shell reads from a pipe that only this process holds open. The pipe closes when the owner is dropped, and also
//! when this process exits or is killed; then the shell ends the server and removes its folder (`cleanup.sh`).

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// See the module.
pub(super) struct Guardian {
    shell: Child,
}

impl Guardian {
    /// Watches over a folder, from before there is a server in it.
    pub(super) fn of(folder: &Path) -> Self {
        let shell = Command::new("sh")
            .args(["-c", include_str!("cleanup.sh"), "guardian"])
            .arg(folder)
            .current_dir("/")
            // A signal from the terminal is for the test; its end is what the shell waits for.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell is everywhere");
        Self { shell }
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        self.shell.wait().ok();
    }
}
