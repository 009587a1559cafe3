//! Runs chromedriver, which controls the browser.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::installed;

/// A running chromedriver. Dropping it ends its browser, which would otherwise keep running, and
/// then chromedriver.
pub(crate) struct Chromedriver {
    process: Child,
    port: u16,
    session: Option<String>,
}

impl Chromedriver {
    /// Starts chromedriver and waits for its port.
    pub(crate) fn start() -> Self {
        installed::program("chromium");
        let process = Command::new(installed::program("chromedriver"))
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let mut chromedriver = Self {
            process,
            port: 0,
            session: None,
        };
        let stdout = chromedriver.process.stdout.take().expect("stdout is piped");
        let mut output = String::new();
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let port = line.strip_prefix("ChromeDriver was started successfully on port ");
            if let Some(port) = port.and_then(|rest| rest.trim_end_matches('.').parse().ok()) {
                chromedriver.port = port;
                return chromedriver;
            }
            output.push_str(&line);
        }
        panic!("chromedriver did not start: {output}");
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Sets the browser session, which ends when this is dropped.
    pub(crate) fn set_session(&mut self, session: &str) {
        self.session = Some(session.to_owned());
    }

    /// Ends the browser. It is not asynchronous, so that `drop` can call it.
    fn end_session(&self, session: &str) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        write!(
            stream,
            "DELETE /session/{session} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n",
            self.port
        )?;
        // Chromedriver responds when the browser has ended, but may keep the connection open.
        stream.read(&mut [0; 1024]).map(|_| ())
    }
}

impl Drop for Chromedriver {
    fn drop(&mut self) {
        if let Some(session) = &self.session {
            self.end_session(session).ok();
        }
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
