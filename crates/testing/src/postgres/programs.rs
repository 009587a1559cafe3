//! Finds the programs of the installed PostgreSQL package and runs them as the right user.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The programs of one PostgreSQL version.
pub(super) struct Programs {
    folder: PathBuf,
    user: Option<User>,
}

/// The user of the server if the test runs as root, since PostgreSQL refuses root.
#[derive(Clone, Copy)]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Programs {
    /// Finds the programs on PATH, or else the newest version that Debian's packages installed.
    pub(super) fn find() -> Self {
        let folder = on_path()
            .or_else(newest_package)
            .expect("no PostgreSQL server found: run scripts/tools (Debian package: postgresql)");
        let user = rustix::process::getuid().is_root().then(postgres_user);
        Self { folder, user }
    }

    /// A command that runs a program as the server's user.
    pub(super) fn command(&self, name: &str) -> Command {
        let mut command = self.client(name);
        if let Some(user) = self.user {
            command.uid(user.uid).gid(user.gid);
        }
        command
    }

    /// A command that runs a program as the test's user, without the `PG*` variables of the test
    /// run.
    pub(super) fn client(&self, name: &str) -> Command {
        let mut command = Command::new(self.folder.join(name));
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("PG") {
                command.env_remove(variable);
            }
        }
        command.env("LC_ALL", "C.UTF-8");
        command
    }

    /// The user that owns the server's files; `None` if it is the test's user.
    pub(super) fn user(&self) -> Option<User> {
        self.user
    }
}

fn on_path() -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        // Follow links: the other programs are in the folder of the link's target.
        .filter_map(|folder| fs::canonicalize(folder.join("postgres")).ok())
        .filter_map(|program| program.parent().map(Path::to_owned))
        .find(|folder| is_complete(folder))
}

fn newest_package() -> Option<PathBuf> {
    fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version: u32 = path.file_name()?.to_str()?.parse().ok()?;
            Some((version, path.join("bin")))
        })
        .filter(|(_, folder)| is_complete(folder))
        .max()
        .map(|(_, folder)| folder)
}

fn is_complete(folder: &Path) -> bool {
    ["initdb", "pg_isready", "postgres", "psql"]
        .iter()
        .all(|program| folder.join(program).is_file())
}

fn postgres_user() -> User {
    let passwd = fs::read_to_string("/etc/passwd").expect("/etc/passwd can be read");
    passwd
        .lines()
        .find_map(|line| {
            let mut fields = line.strip_prefix("postgres:")?.split(':').skip(1);
            Some(User {
                uid: fields.next()?.parse().ok()?,
                gid: fields.next()?.parse().ok()?,
            })
        })
        .expect("the user `postgres` exists; Debian's package creates it")
}
