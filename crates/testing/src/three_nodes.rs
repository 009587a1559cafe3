//! Three nodes behind HAProxy on one PostgreSQL: `examples/three-nodes`, started for a test and ended with it.
//!
//! The script that starts them stops them again, when this is dropped and when the process of the test ends in any way:
//! its standard input closes then. Nodes are called by their number, 1 to 3, as in what `x-served-by` says of an answer.

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

/// The numbers of the nodes.
pub const NODES: [usize; 3] = [1, 2, 3];

/// For the end of a process that finishes what it was asked.
const END: Duration = Duration::from_secs(30);

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/three-nodes");

/// See the module.
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
    /// Starts `program` (the binary `tm-auth`) three times with these settings, named by what follows `TM_AUTH__` in
    /// their variables; ready when HAProxy reaches them.
    pub fn start(program: &Path, settings: &[(&str, &str)]) -> Self {
        Self::launch(program, settings, ports::free(), None)
    }

    /// As [`start`](Self::start), with a [`fault_proxy`](Self::fault_proxy) between the nodes and PostgreSQL.
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
            // A signal from the terminal is for the test; its end is what the script waits for.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash is there");
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
        panic!("three nodes did not start; the reason is above");
    }

    /// `http://localhost:PORT` of HAProxy: the origin of the issuer.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `http://127.0.0.1:PORT` of one node.
    pub fn node_url(&self, node: usize) -> &str {
        &self.node_urls[index(node)]
    }

    /// The configuration file of a node, for operators' commands.
    pub fn config_file(&self, node: usize) -> PathBuf {
        index(node);
        self.folder.join(format!("node{node}.toml"))
    }

    /// An operator's command beside the first node.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = quiet(Command::new(&self.program));
        command
            .args(arguments)
            .arg("--config")
            .arg(self.config_file(1))
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(Stdio::null());
        command
    }

    /// The database itself, past the fault proxy. Holds the password.
    pub fn postgres_url(&self) -> String {
        let password = fs::read_to_string(self.folder.join("postgres/password")).expect("it was made");
        format!(
            "postgres://tm_auth:{}@127.0.0.1:{}/tm_auth",
            password.trim(),
            self.postgres_port
        )
    }

    /// A node comes to the database through a proxy of its own from now on; back when it is ready again.
    pub fn divert_node(&self, node: usize) -> FaultProxy {
        let proxy = FaultProxy::start(SocketAddr::from(([127, 0, 0, 1], self.postgres_port)));
        let (common, own) = (
            self.folder.join("postgres-url"),
            self.folder.join(format!("postgres-url-{node}")),
        );
        // A secret, so for its owner's eyes, as the first is.
        fs::copy(&common, &own).expect("it was made");
        fs::write(&own, proxy.url(&self.postgres_url())).expect("the folder is ours");
        let config = fs::read_to_string(self.config_file(node)).expect("it was made");
        let config = config.replace(&common.display().to_string(), &own.display().to_string());
        fs::write(self.config_file(node), config).expect("it is ours");
        self.restart_node(node);
        proxy
    }

    /// What stands between the nodes and PostgreSQL. Panics where they were started without.
    pub fn fault_proxy(&self) -> &FaultProxy {
        self.fault_proxy.as_ref().expect("started with a fault proxy")
    }

    /// What a part logged: `node1`, `haproxy`, `postgres`.
    pub fn log(&self, part: &str) -> String {
        fs::read_to_string(self.folder.join(format!("{part}.log"))).unwrap_or_default()
    }

    /// The process of a node; none while it is down.
    pub fn node_pid(&self, node: usize) -> Option<u32> {
        let pid = self.node_process(node)?;
        pid.as_raw_nonzero().get().try_into().ok()
    }

    /// `kill -9`; back when it is gone.
    pub fn kill_node(&self, node: usize) {
        self.end_node(node, Signal::KILL);
    }

    /// Asks it to stop; back when it has finished what it was asked, and is gone.
    pub fn terminate_node(&self, node: usize) {
        self.end_node(node, Signal::TERM);
    }

    /// It stops where it stands; connections stay open and silent.
    pub fn freeze_node(&self, node: usize) {
        self.signal_node(node, Signal::STOP);
    }

    /// It goes on.
    pub fn thaw_node(&self, node: usize) {
        self.signal_node(node, Signal::CONT);
    }

    /// Starts a node again, after stopping it if it runs; back when it is ready.
    pub fn restart_node(&self, node: usize) {
        self.terminate_node(node);
        self.bring_back(&format!("node{node}"));
    }

    /// Ends all processes of PostgreSQL at once: a crash.
    pub fn kill_postgres(&self) {
        self.postgres().kill();
    }

    /// They stop where they stand; connections stay open and silent.
    pub fn freeze_postgres(&self) {
        self.postgres().freeze();
    }

    /// They go on.
    pub fn thaw_postgres(&self) {
        self.postgres().thaw();
    }

    /// Starts PostgreSQL again with the same data, after stopping it in order if it runs; back when it is ready.
    pub fn restart_postgres(&self) {
        self.thaw_postgres();
        let alive = self.postgres().alive();
        if let Some(first) = self.pid("postgres").filter(|pid| alive.contains(pid)) {
            send(first, Signal::INT);
        }
        self.postgres().wait_until_gone();
        self.bring_back("postgres");
    }

    fn bring_back(&self, part: &str) {
        let brought = script("part", &self.program, &self.settings)
            .arg(&self.folder)
            .arg(part)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .expect("bash is there");
        assert!(brought.success(), "{part} does not start; the reason is above");
    }

    fn signal_node(&self, node: usize, signal: Signal) {
        if let Some(pid) = self.node_process(node) {
            send(pid, signal);
        }
    }

    fn end_node(&self, node: usize, signal: Signal) {
        self.signal_node(node, Signal::CONT);
        self.signal_node(node, signal);
        poll::until("the node is gone", END, || {
            self.node_process(node).is_none().then_some(())
        });
    }

    fn node_process(&self, node: usize) -> Option<Pid> {
        index(node);
        let pid = self.pid(&format!("node{node}"))?;
        // A number that was given to another process meanwhile is not ours.
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
    let mut command = quiet(Command::new(format!("{SCRIPTS}/{name}")));
    command
        .env("TM_AUTH_BIN", program)
        .envs(settings.iter().map(|(name, value)| (name, value)));
    command
}

/// No setting of the test run's own environment reaches it.
fn quiet(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TM_") {
            command.env_remove(name);
        }
    }
    command
}
