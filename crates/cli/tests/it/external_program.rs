//! Finds and runs programs in other languages, which `scripts/tools` installs and builds. A test
//! fails if its program is missing.

use std::env;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// An installed program and its first arguments.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    argv: Vec<OsString>,
}

impl Program {
    /// The Python of `target/venv` with a script or module.
    pub(crate) fn python(name: &'static str, arguments: &[&str]) -> Self {
        let python = workspace().join("target/venv/bin/python");
        Self::installed(name, &[&python], python.clone(), arguments)
    }

    /// A compiled TypeScript example.
    pub(crate) fn node(name: &'static str, script: &str) -> Self {
        let script = workspace().join(script);
        let node = on_path("node");
        let node = node.unwrap_or_else(|| workspace().join("target/venv/bin/node"));
        Self::installed(name, &[&node, &script], node.clone(), &[path(&script)])
    }

    /// A compiled Java example.
    pub(crate) fn java(name: &'static str, folder: &str, class: &str) -> Self {
        let folder = workspace().join(folder).join("target");
        let (classes, libraries) = (folder.join("classes"), folder.join("dependency"));
        let class_path = format!("{}:{}/*", path(&classes), path(&libraries));
        let java = on_path("java").unwrap_or_else(|| PathBuf::from("/usr/bin/java"));
        // The simplest garbage collector and compiler are the fastest for one short run.
        let arguments = [
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-cp",
            &class_path,
            class,
        ];
        Self::installed(name, &[&java, &classes, &libraries], java.clone(), &arguments)
    }

    /// A program built at this path below the workspace root.
    pub(crate) fn built(name: &'static str, program: &str) -> Self {
        let program = workspace().join(program);
        Self::installed(name, &[&program], program.clone(), &[])
    }

    /// A program of another package of this workspace; cargo puts it next to `tm-auth`.
    pub(crate) fn workspace_binary(name: &'static str) -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_tm-auth")).with_file_name(name);
        assert!(
            program.exists(),
            "{} is missing: run scripts/test, which builds the whole workspace",
            program.display()
        );
        Self::installed(name, &[], program, &[])
    }

    /// Checks that the files exist which `scripts/tools` installs.
    fn installed(name: &'static str, required: &[&Path], program: PathBuf, arguments: &[&str]) -> Self {
        for path in required {
            assert!(
                path.exists(),
                "{name}: {} is missing: run scripts/tools",
                path.display()
            );
        }
        let argv = [program.into_os_string()]
            .into_iter()
            .chain(arguments.iter().map(OsString::from))
            .collect();
        Self { name, argv }
    }

    /// Runs the program to its end with no other `TM_*` variables than these. Its current folder is
    /// empty, since some programs read a `.env` file there or leave files there.
    pub(crate) fn run(&self, settings: &[(&str, &str)], arguments: &[&str], input: &str) -> Output {
        let mut command = Command::new(&self.argv[0]);
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("TM_") {
                command.env_remove(name);
            }
        }
        let folder = tempfile::tempdir().expect("a folder can be created");
        let mut child = command
            .current_dir(folder.path())
            .args(&self.argv[1..])
            .args(arguments)
            .envs(settings.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", self.name));
        let mut stdin = child.stdin.take().expect("stdin is piped");
        // A program may exit without reading its input; its status then shows the failure.
        stdin.write_all(input.as_bytes()).ok();
        drop(stdin);
        child.wait_with_output().expect("the program exits")
    }
}

/// The workspace root.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

fn path(path: &Path) -> &str {
    path.to_str().expect("the workspace path is UTF-8")
}
