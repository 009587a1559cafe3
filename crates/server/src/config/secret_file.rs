//! Files that hold a secret: opened only if no other user can get at the content.
//!
//! Other users must not be able to write the file. In addition, one of these must hold:
//!
//! 1. No other user can read the file.
//! 2. Root owns the file and lets its group read it. `LoadCredential` of systemd and `fsGroup` of
//!    Kubernetes give a secret to a service in this way.
//! 3. The file is under `$CREDENTIALS_DIRECTORY` or on a read-only mount. systemd, Kubernetes and
//!    Docker mount these for one service only, so the mode does not say who can reach the file.
//!
//! A symbolic link counts as the file that it leads to: Kubernetes delivers each file as a link.

use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::StatVfsMountFlags;
use tm_auth_proto::text;
use zeroize::Zeroizing;

use super::error::ConfigError;

/// A secret file must be shorter. A longer file was probably named by mistake.
const MAX_BYTES: usize = 4096;

/// The environment variable with the folder of systemd's credentials.
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// Opens the secret files of one configuration.
#[derive(Debug)]
pub(super) struct SecretFiles {
    /// The folder of systemd's credentials, without symbolic links.
    credentials: Option<PathBuf>,
}

impl SecretFiles {
    /// Takes the folder of credentials from the environment.
    pub(super) fn new(env: &[(String, String)]) -> Self {
        let folder = env.iter().find(|(name, _)| name == CREDENTIALS_DIRECTORY);
        Self {
            credentials: folder.and_then(|(_, folder)| std::fs::canonicalize(folder).ok()),
        }
    }

    /// Refuses a file whose content other users can get at.
    pub(super) fn check(&self, key: &str, path: &Path) -> Result<(), ConfigError> {
        self.open(key, path).map(drop)
    }

    /// Reads a file whose content no other user can get at.
    pub(super) fn read(&self, key: &str, path: &Path) -> Result<Zeroizing<String>, ConfigError> {
        // Allocated once: a buffer that grows leaves copies of the secret in memory.
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 32));
        let length = self
            .open(key, path)?
            .take(MAX_BYTES as u64)
            .read_to_end(&mut bytes)
            .map_err(|e| ConfigError::at(key, format_args!("{} cannot be read: {e}", path.display())))?;
        if length == MAX_BYTES {
            return Err(ConfigError::at(
                key,
                format_args!("{} is too long for a secret; name another file", path.display()),
            ));
        }
        text::from_bytes(&bytes)
            .map(|text| Zeroizing::new(text.to_owned()))
            .map_err(|problem| ConfigError::at(key, format_args!("{} {problem}", path.display())))
    }

    fn open(&self, key: &str, path: &Path) -> Result<File, ConfigError> {
        let refuse = |problem: String| ConfigError::at(key, format_args!("{} {problem}", path.display()));
        // Checked before opening, because opening a named pipe waits for a writer.
        let found = std::fs::metadata(path).map_err(|error| refuse(unreadable(&error, None, path)))?;
        if !found.is_file() {
            return Err(refuse("is not a file; name one".to_owned()));
        }
        let unreadable = |error: io::Error| refuse(unreadable(&error, Some(&found), path));
        let file = File::open(path).map_err(unreadable)?;
        // Of the open file, because the path could name another file by now.
        let access = Access::of(&file.metadata().map_err(unreadable)?);
        let is_delivered = self.is_credential(path) || is_on_read_only_mount(&file).map_err(unreadable)?;
        match access.problem(is_delivered) {
            None => Ok(file),
            Some(problem) => Err(refuse(format!(
                "holds a secret but {problem} ({access}); run: {}",
                access.remedy(is_delivered, rustix::process::geteuid().as_raw(), path)
            ))),
        }
    }

    fn is_credential(&self, path: &Path) -> bool {
        self.credentials.as_deref().is_some_and(|folder| {
            std::fs::canonicalize(path).is_ok_and(|path| path.starts_with(folder) && path != folder)
        })
    }
}

/// Who can access a file.
#[derive(Clone, Copy, Debug)]
struct Access {
    mode: u32,
    owner: u32,
}

impl Access {
    fn of(metadata: &Metadata) -> Self {
        Self {
            mode: metadata.mode() & 0o777,
            owner: metadata.uid(),
        }
    }

    /// What other users can do with the file. `is_delivered`: the third rule of the module holds.
    fn problem(self, is_delivered: bool) -> Option<&'static str> {
        let others = self.mode & 0o077;
        let is_private = others == 0 || (others == 0o040 && self.owner == 0);
        if self.mode & 0o022 != 0 {
            Some("other users can write it")
        } else if is_private || is_delivered {
            None
        } else {
            Some("other users can access it")
        }
    }

    /// The command that ends the problem. `user` runs the service.
    fn remedy(self, is_delivered: bool, user: u32, path: &Path) -> String {
        let path = path.display();
        if is_delivered {
            format!("chmod go-w {path} (where the file comes from)")
        } else if user == self.owner || user == 0 {
            format!("chmod 600 {path}")
        } else if self.owner == 0 {
            format!("chmod 640 {path}")
        } else {
            format!("chown {user} {path} && chmod 600 {path}")
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mode {:04o}, owner {}", self.mode, self.owner)
    }
}

fn unreadable(error: &io::Error, found: Option<&Metadata>, path: &Path) -> String {
    let (access, remedy) = match found {
        Some(found) => {
            let user = rustix::process::geteuid().as_raw();
            (
                format!(", {}", Access::of(found)),
                format!("run: chown {user} {}", path.display()),
            )
        }
        None => (
            String::new(),
            "name a file that the service's user owns".to_owned(),
        ),
    };
    format!("cannot be read ({error}{access}); {remedy}")
}

/// Includes a writable file system that is mounted read-only at this place, as by `docker run -v
/// FILE:FILE:ro`.
fn is_on_read_only_mount(file: &File) -> io::Result<bool> {
    let flags = rustix::fs::fstatvfs(file)?.f_flag;
    Ok(flags.contains(StatVfsMountFlags::RDONLY))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: u32 = 0;
    const SERVICE: u32 = 999;

    fn accepted(mode: u32, owner: u32, is_delivered: bool) -> bool {
        Access { mode, owner }.problem(is_delivered).is_none()
    }

    #[test]
    fn r20_a_mode_is_judged_by_owner_and_place() {
        for mode in 0..=0o777 {
            let writable = mode & 0o022 != 0;
            let others = mode & 0o077;
            let (private, for_group) = (others == 0, [0o040, 0].contains(&others));
            assert_eq!(accepted(mode, SERVICE, false), private, "{mode:o}");
            assert_eq!(accepted(mode, ROOT, false), for_group, "{mode:o}");
            for owner in [ROOT, SERVICE] {
                assert_eq!(accepted(mode, owner, true), !writable, "{mode:o}");
            }
        }
    }

    #[test]
    fn r20_the_remedy_is_a_command_for_who_runs_the_service() {
        let remedy = |owner, user| Access { mode: 0o644, owner }.remedy(false, user, Path::new("/kek"));
        assert_eq!(remedy(SERVICE, SERVICE), "chmod 600 /kek");
        assert_eq!(remedy(SERVICE, ROOT), "chmod 600 /kek");
        assert_eq!(remedy(ROOT, SERVICE), "chmod 640 /kek");
        assert_eq!(remedy(1000, SERVICE), "chown 999 /kek && chmod 600 /kek");
        let mounted = Access {
            mode: 0o666,
            owner: ROOT,
        }
        .remedy(true, SERVICE, Path::new("/kek"));
        assert!(mounted.starts_with("chmod go-w /kek"), "{mounted}");
    }
}
