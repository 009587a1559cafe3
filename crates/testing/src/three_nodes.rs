//! Starts `examples/three-nodes` for a test: three nodes behind HAProxy on one PostgreSQL server.
//!
//! The script that starts the nodes stops them when its standard input closes. That happens when
//! [`ThreeNodes`] is dropped, and when the test process exits or is killed. Nodes are numbered 1 to
//! 3, as in the response header `x-served-by`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::fault_proxy::FaultProxy;
use crate::processes::{Processes, send};
use crate::{poll, ports};

/// The node numbers.
pub const NODES: [usize; 3] = [1, 2, 3];

/// Deadline for a node to finish its requests and exit.
const EXIT_DEADLINE: Duration = Duration::from_secs(30);

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/three-nodes");

/// Three running nodes. They stop when this is dropped.
pub struct ThreeNodes {
    script: Child,
    program: PathBuf,
    settings: Vec<(String, String)>,
    folder: PathBuf,
    url: String,
    node_urls: Vec<String>,
    postgres_port: u16,
    fault_proxy: Option<FaultProxy>,
}

impl ThreeNodes {
    /// Starts `program` (the binary `tm-auth`) three times and waits until HAProxy reaches the
    /// nodes. The names of `settings` are environment variables without the prefix `TM_AUTH__`.
    pub fn start(program: &Path, settings: &[(&str, &str)]) -> Self {
        Self::launch(program, settings, ports::free(), None)
    }

    /// Like [`start`](Self::start), with a [`fault_proxy`](Self::fault_proxy) in front of
    /// PostgreSQL.
    pub fn start_with_fault_proxy(program: &Path, settings: &[(&str, &str)]) -> Self {
        let port = ports::free();
        let proxy = FaultProxy::start(SocketAddr::from(([127, 0, 0, 1], port)));
        Self::launch(program, settings, port, Some(proxy))
    }

    fn launch(
        program: &Path,
        settings: &[(&str, &str)],
        postgres_port: u16,
        fault_proxy: Option<FaultProxy>,
    ) -> Self {
        let settings: Vec<(String, String)> = settings
            .iter()
            .map(|(name, value)| (format!("TM_AUTH__{name}"), (*value).to_owned()))
            .collect();
        let database_port = fault_proxy
            .as_ref()
            .map_or(postgres_port, |proxy| proxy.address().port());
        let mut script = script("start", program, &settings)
            .arg("--until-stdin-closes")
            .env("POSTGRES_PORT", postgres_port.to_string())
            .env("DATABASE_PORT", database_port.to_string())
            // Ctrl-C in the terminal must reach the test only. The script stops after the test.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the script starts");
        let stdout = BufReader::new(script.stdout.take().expect("stdout is piped"));
        let mut nodes = Self {
            script,
            program: program.to_owned(),
            settings,
            folder: PathBuf::new(),
            url: String::new(),
            node_urls: vec![String::new(); NODES.len()],
            postgres_port,
            fault_proxy,
        };
        for line in stdout.lines().map_while(Result::ok) {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["state", folder] => nodes.folder = PathBuf::from(folder),
                ["ready", url] => {
                    url.clone_into(&mut nodes.url);
                    return nodes;
                }
                [name, url, ..] => {
                    let number = name.strip_prefix("node").and_then(|number| number.parse().ok());
                    if let Some(number) = number {
                        url.clone_into(&mut nodes.node_urls[index(number)]);
                    }
                }
                _ => {}
            }
        }
        panic!("the three nodes did not start; see the output above");
    }

    /// The origin of the issuer: `http://localhost:PORT` of HAProxy.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The origin of one node: `http://127.0.0.1:PORT`.
    pub fn node_url(&self, node: usize) -> &str {
        &self.node_urls[index(node)]
    }

    /// The configuration file of a node, for administrative commands.
    pub fn config_file(&self, node: usize) -> PathBuf {
        // Panics if there is no such node.
        index(node);
        self.folder.join(format!("node{node}.toml"))
    }

    /// Returns an administrative command with the configuration of the first node.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = without_settings(Command::new(&self.program));
        command
            .args(arguments)
            .arg("--config")
            .arg(self.config_file(1))
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(Stdio::null());
        command
    }

    /// The URL of the database, which bypasses the fault proxy. It contains the password.
    pub fn postgres_url(&self) -> String {
        let password = fs::read_to_string(self.folder.join("postgres/password"))
            .expect("the start script wrote the file");
        format!(
            "postgres://tm_auth:{}@127.0.0.1:{}/tm_auth",
            password.trim(),
            self.postgres_port
        )
    }

    /// Restarts a node with a fault proxy of its own between it and the database. Returns when the
    /// node is ready.
    pub fn restart_node_with_fault_proxy(&self, node: usize) -> FaultProxy {
        let proxy = FaultProxy::start(SocketAddr::from(([127, 0, 0, 1], self.postgres_port)));
        let (common, own) = (
            self.folder.join("postgres-url"),
            self.folder.join(format!("postgres-url-{node}")),
        );
        // `copy` keeps the permissions: the URL is a secret.
        fs::copy(&common, &own).expect("the start script wrote the file");
        fs::write(&own, proxy.url(&self.postgres_url())).expect("the URL file can be written");
        let config = fs::read_to_string(self.config_file(node)).expect("the start script wrote the file");
        let config = config.replace(&common.display().to_string(), &own.display().to_string());
        fs::write(self.config_file(node), config).expect("the configuration can be written");
        self.restart_node(node);
        proxy
    }

    /// The proxy between the nodes and PostgreSQL. Panics if the nodes were started without one.
    pub fn fault_proxy(&self) -> &FaultProxy {
        self.fault_proxy.as_ref().expect("started with a fault proxy")
    }

    /// The log of one part of the deployment, such as `node1`, `haproxy` or `postgres`.
    pub fn log(&self, part: &str) -> String {
        fs::read_to_string(self.folder.join(format!("{part}.log"))).unwrap_or_default()
    }

    /// The process id of a node; `None` while it is down.
    pub fn node_pid(&self, node: usize) -> Option<u32> {
        let pid = self.node_process(node)?;
        pid.as_raw_nonzero().get().try_into().ok()
    }

    /// Kills a node (SIGKILL) and waits until it is gone.
    pub fn kill_node(&self, node: usize) {
        self.end_node(node, Signal::KILL);
    }

    /// Asks a node to stop (SIGTERM) and waits until it has finished its requests and exited.
    pub fn terminate_node(&self, node: usize) {
        self.end_node(node, Signal::TERM);
    }

    /// Suspends a node. Connections stay open and silent.
    pub fn freeze_node(&self, node: usize) {
        self.signal_node(node, Signal::STOP);
    }

    /// Resumes a node.
    pub fn thaw_node(&self, node: usize) {
        self.signal_node(node, Signal::CONT);
    }

    /// Restarts a node and waits until it is ready.
    pub fn restart_node(&self, node: usize) {
        self.terminate_node(node);
        self.start_part(&format!("node{node}"));
    }

    /// Kills all processes of PostgreSQL at once, as a crash does.
    pub fn kill_postgres(&self) {
        self.postgres().kill();
    }

    /// Suspends all processes of PostgreSQL. Connections stay open and silent.
    pub fn freeze_postgres(&self) {
        self.postgres().freeze();
    }

    /// Resumes all processes of PostgreSQL.
    pub fn thaw_postgres(&self) {
        self.postgres().thaw();
    }

    /// Starts PostgreSQL with the same data and waits until it is ready. Shuts it down first if it
    /// runs.
    pub fn restart_postgres(&self) {
        self.thaw_postgres();
        let alive = self.postgres().alive();
        if let Some(main_process) = self.pid("postgres").filter(|pid| alive.contains(pid)) {
            // SIGINT is PostgreSQL's fast shutdown.
            send(main_process, Signal::INT);
        }
        self.postgres().wait_until_gone();
        self.start_part("postgres");
    }

    fn start_part(&self, part: &str) {
        let status = script("part", &self.program, &self.settings)
            .arg(&self.folder)
            .arg(part)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .expect("the script starts");
        assert!(status.success(), "{part} does not start; see the output above");
    }

    fn signal_node(&self, node: usize, signal: Signal) {
        if let Some(pid) = self.node_process(node) {
            send(pid, signal);
        }
    }

    fn end_node(&self, node: usize, signal: Signal) {
        self.signal_node(node, Signal::CONT);
        self.signal_node(node, signal);
        poll::until("the node is gone", EXIT_DEADLINE, || {
            self.node_process(node).is_none().then_some(())
        });
    }

    fn node_process(&self, node: usize) -> Option<Pid> {
        // Panics if there is no such node.
        index(node);
        let pid = self.pid(&format!("node{node}"))?;
        // If the node is down, its process id may belong to another program by now.
        let nodes = Processes::of(&self.folder.join("run"));
        nodes.alive().contains(&pid).then_some(pid)
    }

    fn pid(&self, part: &str) -> Option<Pid> {
        let text = fs::read_to_string(self.folder.join(format!("{part}.pid"))).ok()?;
        Pid::from_raw(text.trim().parse().ok()?)
    }

    fn postgres(&self) -> Processes {
        Processes::of(&self.folder.join("postgres"))
    }
}

impl Drop for ThreeNodes {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        self.script.wait().ok();
    }
}

fn index(node: usize) -> usize {
    NODES
        .iter()
        .position(|number| *number == node)
        .expect("the nodes are 1, 2 and 3")
}

fn script(name: &str, program: &Path, settings: &[(String, String)]) -> Command {
    let mut command = without_settings(Command::new(format!("{SCRIPTS}/{name}")));
    command
        .env("TM_AUTH_BIN", program)
        .envs(settings.iter().map(|(name, value)| (name, value)));
    command
}

/// Removes the `TM_*` variables of the test run.
fn without_settings(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TM_") {
            command.env_remove(name);
        }
    }
    command
}
