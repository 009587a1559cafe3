//! Secret files as systemd, Kubernetes and Docker deliver them, read by the real program.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::service::Service;

/// The user and group without privileges under which the service runs.
const SERVICE: u32 = 65_534;

/// A file system in memory, mounted as Docker and Kubernetes mount secrets. Only root can mount it.
struct Mount(TempDir);

impl Mount {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder can be created");
        mount(&["-t", "tmpfs", "-o", "mode=755", "tmpfs"], folder.path());
        Self(folder)
    }

    /// Writes a file of root.
    fn write(&self, name: &str, content: &[u8], mode: u32) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).expect("the file can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("the mode can be set");
        path
    }

    fn make_read_only(&self) {
        mount(&["-o", "remount,ro"], self.0.path());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(self.0.path()).status().ok();
    }
}

fn mount(arguments: &[&str], folder: &Path) {
    let mounted = Command::new("mount").args(arguments).arg(folder).status();
    assert!(
        mounted.is_ok_and(|status| status.success()),
        "cannot mount a file system: run this test as root (scripts/tools says what tests need)"
    );
}

/// Runs `tm-auth migrate` as an unprivileged user whose key-encryption key is in this file.
fn migrate(service: &Service, kek: &Path) -> Output {
    let wanted = service.command(&["migrate"]);
    // The unprivileged user may not reach the build folder.
    let program = service.path("tm-auth");
    if !program.exists() {
        fs::hard_link(wanted.get_program(), &program)
            .or_else(|_| fs::copy(wanted.get_program(), &program).map(drop))
            .expect("the binary can be copied");
        chown(service.path("."), Some(SERVICE), Some(SERVICE)).expect("root runs this test");
    }
    let mut command = Command::new(program);
    command
        .args(wanted.get_args())
        .envs(wanted.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .env("TM_AUTH__KEYS__KEK_FILE", kek)
        .current_dir(service.path("."))
        .uid(SERVICE)
        .gid(SERVICE);
    command.output().expect("the binary starts")
}

fn assert_accepted(service: &Service, kek: &Path) {
    let output = migrate(service, kek);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", kek.display());
}

fn assert_refused(service: &Service, kek: &Path, remedy: &str) {
    let output = migrate(service, kek);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    for part in [
        "`keys.kek_file`",
        &kek.display().to_string(),
        "mode 0",
        "owner 0",
        remedy,
    ] {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
}

#[test]
fn r20_a_secret_of_docker_is_accepted_on_its_read_only_mount() {
    let service = Service::new();
    let content = fs::read(service.path("kek")).expect("the key can be read");
    let mount = Mount::new();
    let readable = mount.write("kek", &content, 0o444);
    let writable = mount.write("writable", &content, 0o646);
    assert_refused(&service, &readable, "chmod 640 ");
    mount.make_read_only();
    assert_accepted(&service, &readable);
    assert_refused(&service, &writable, "chmod go-w ");
}

#[test]
fn r20_a_secret_of_kubernetes_is_accepted_through_its_links_and_group() {
    let service = Service::new();
    let content = fs::read(service.path("kek")).expect("the key can be read");
    let mount = Mount::new();
    fs::create_dir(mount.0.path().join("..2026_01")).expect("the folder can be created");
    symlink("..2026_01", mount.0.path().join("..data")).expect("the link can be created");
    for (name, mode) in [("kek440", 0o440), ("kek640", 0o640)] {
        let file = mount.write(&format!("..2026_01/{name}"), &content, mode);
        chown(&file, Some(0), Some(SERVICE)).expect("root runs this test");
        let link = mount.0.path().join(name);
        symlink(format!("..data/{name}"), &link).expect("the link can be created");
        assert_accepted(&service, &link);
    }
    // Of another group: the message says whose file it is.
    let foreign = mount.write("foreign", &content, 0o440);
    assert_refused(&service, &foreign, "chown 65534 ");
    mount.make_read_only();
    assert_accepted(&service, &mount.0.path().join("kek440"));
}
