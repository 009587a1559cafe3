//! A proxy that records every byte of one browser's requests, including requests to loopback
//! addresses.
//!
//! 1. The browser sends `GET http://host:port/path`, as to any proxy.
//! 2. If the test set a page for the host, the proxy returns that page. Such hosts end in `.test`.
//! 3. The proxy forwards requests for this machine in origin form (`GET /path`), one connection per
//!    request, and returns the responses unchanged.
//! 4. It answers requests for other machines with status 502, and records them too.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The maximum length of a request head, in bytes. The heads of these tests are shorter.
const MAX_HEAD: usize = 64 * 1024;

pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    record: Arc<Record>,
}

#[derive(Default)]
struct Record {
    /// The bytes that the browser sent on each connection. A connection carries one request.
    requests: Mutex<Vec<Arc<Mutex<Vec<u8>>>>>,
    /// The pages of other sites, by host.
    sites: Mutex<HashMap<String, String>>,
}

impl Recorder {
    /// Starts the proxy. It stops with the test's runtime.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("the local address");
        let record = Arc::new(Record::default());
        let task_record = Arc::clone(&record);
        tokio::spawn(async move {
            while let Ok((browser, _)) = listener.accept().await {
                let record = Arc::clone(&task_record);
                // Ignore errors: the browser may cancel a request.
                tokio::spawn(async move { record.serve(browser).await.ok() });
            }
        });
        Self { address, record }
    }

    /// All requests so far, as they were sent.
    pub(crate) fn requests(&self) -> Vec<Vec<u8>> {
        let requests = self.record.requests.lock().unwrap();
        requests
            .iter()
            .map(|request| request.lock().unwrap().clone())
            .collect()
    }

    /// The request lines (method, URL, version) of all requests so far.
    pub(crate) fn request_lines(&self) -> Vec<String> {
        let line = |bytes: &[u8]| {
            let end = bytes
                .iter()
                .position(|byte| *byte == b'\r')
                .unwrap_or(bytes.len());
            String::from_utf8_lossy(&bytes[..end]).into_owned()
        };
        self.requests().iter().map(|request| line(request)).collect()
    }

    /// Sets the page of another site. Its host must end in `.test`.
    pub(crate) fn site(&self, host: &str, html: &str) {
        let mut sites = self.record.sites.lock().unwrap();
        sites.insert(host.to_owned(), html.to_owned());
    }
}

impl Record {
    /// Records and answers one request.
    async fn serve(&self, mut browser: TcpStream) -> io::Result<()> {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let Some(head_end) = read_head(&mut browser, &bytes).await? else {
            return Ok(());
        };
        self.requests.lock().unwrap().push(Arc::clone(&bytes));
        let received = bytes.lock().unwrap().clone();
        let (head, body) = received.split_at(head_end);
        let head = String::from_utf8_lossy(head).into_owned();
        let Some((host, path)) = target(&head) else {
            return browser
                .write_all(b"HTTP/1.1 502 Not On This Machine\r\nContent-Length: 0\r\n\r\n")
                .await;
        };
        let page = self.sites.lock().unwrap().get(host).cloned();
        if let Some(page) = page {
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
                page.len()
            );
            return browser.write_all(answer.as_bytes()).await;
        }
        let mut service = TcpStream::connect(host).await?;
        service.write_all(forwarded_head(&head, path).as_bytes()).await?;
        service.write_all(body).await?;
        let (mut from_browser, mut to_browser) = browser.split();
        let (mut from_service, mut to_service) = service.split();
        let up = async {
            let mut chunk = vec![0; 16 * 1024];
            loop {
                let count = from_browser.read(&mut chunk).await?;
                if count == 0 {
                    return to_service.shutdown().await;
                }
                bytes.lock().unwrap().extend_from_slice(&chunk[..count]);
                to_service.write_all(&chunk[..count]).await?;
            }
        };
        let down = tokio::io::copy(&mut from_service, &mut to_browser);
        // The service closes the connection after its response, which ends both directions.
        tokio::select! {
            result = down => { result?; }
            Err(error) = up => return Err(error),
        }
        to_browser.shutdown().await
    }
}

/// Reads until the head is complete and returns its length. `None` if the browser closes the
/// connection first, or the head is too long.
async fn read_head(browser: &mut TcpStream, bytes: &Mutex<Vec<u8>>) -> io::Result<Option<usize>> {
    let mut chunk = vec![0; 16 * 1024];
    loop {
        let count = browser.read(&mut chunk).await?;
        let mut bytes = bytes.lock().unwrap();
        bytes.extend_from_slice(&chunk[..count]);
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            return Ok(Some(end + 4));
        }
        if count == 0 || bytes.len() > MAX_HEAD {
            return Ok(None);
        }
    }
}

/// The host and path, if the request is for this machine or a site of the test.
fn target(head: &str) -> Option<(&str, &str)> {
    let url = head.split(' ').nth(1)?.strip_prefix("http://")?;
    let (host, path) = url.split_at(url.find('/')?);
    let name = host.split(':').next()?;
    (name == "localhost" || name == "127.0.0.1" || name.rsplit('.').next() == Some("test"))
        .then_some((host, path))
}

/// The head to forward to the service: in origin form, and with `Connection: close`.
fn forwarded_head(head: &str, path: &str) -> String {
    let method = head.split(' ').next().unwrap_or_default();
    let mut forwarded = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    for line in head.lines().skip(1).filter(|line| !line.is_empty()) {
        let name = line.split(':').next().unwrap_or_default();
        if !name.eq_ignore_ascii_case("connection") && !name.eq_ignore_ascii_case("proxy-connection") {
            forwarded.push_str(line);
            forwarded.push_str("\r\n");
        }
    }
    forwarded.push_str("\r\n");
    forwarded
}
