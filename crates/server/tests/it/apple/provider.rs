//! The real provider: a program that a test starts and stops.

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use reqwest::Method;
use serde_json::{Value, json};

use super::{CLIENT_ID, Departure, KEY_ID, TEAM_ID, configure, team_key};
use crate::support::{Answer, START, TestServer};

/// The provider and the server whose users log in with it.
pub(crate) struct AtApple {
    pub(crate) server: TestServer,
    pub(crate) issuer: String,
    process: Child,
}

impl Drop for AtApple {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

impl AtApple {
    /// Starts the provider and the server.
    pub(crate) async fn start() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/apple_provider");
        assert!(
            folder.join("node_modules").exists(),
            "the OpenID provider is not installed: run scripts/tools"
        );
        let (key, public_key) = team_key();
        let mut started = None;
        let server = TestServer::start_with(|config| {
            let settings = json!({
                "client_id": CLIENT_ID,
                "team_id": TEAM_ID,
                "key_id": KEY_ID,
                "public_key": public_key,
                "redirect_uri": format!("{}/apple/callback", config.public_url.origin()),
                "now": START * 1000,
            });
            let (process, issuer) = spawn(&folder, &settings);
            configure(config, &issuer, key);
            started = Some((process, issuer));
        })
        .await;
        let (process, issuer) = started.expect("`start_with` calls its closure");
        Self {
            server,
            issuer,
            process,
        }
    }

    /// Advances the clocks of the server and the provider.
    pub(crate) async fn advance(&self, seconds: i64) {
        self.server.advance(seconds);
        let url = format!(
            "{}/test/clock?now={}",
            self.issuer,
            self.server.now().as_millisecond()
        );
        self.server.http.get(url).send().await.unwrap();
    }

    /// Logs in at the provider as this user, or presses `cancel`. Returns the fields that the
    /// provider's last page posts back.
    pub(crate) async fn visit(&self, departure: &Departure, who: &str) -> Vec<(String, String)> {
        let mut jar = BTreeMap::new();
        let (mut method, mut url, mut body) = (Method::GET, departure.url.clone(), None);
        for _ in 0..8 {
            let page = self.request(method, &url, body.take(), &mut jar).await;
            method = Method::GET;
            if page.status == 303 {
                url = self.absolute(page.header("location"));
            } else if page.text.contains("/apple/callback") {
                return inputs(&page.text);
            } else {
                assert!(page.text.contains(&format!("value=\"{who}\"")), "{page:?}");
                (method, body) = (Method::POST, Some(format!("who={who}")));
            }
        }
        panic!("8 requests did not lead to the callback");
    }

    async fn request(
        &self,
        method: Method,
        url: &str,
        body: Option<String>,
        jar: &mut BTreeMap<String, String>,
    ) -> Answer {
        let cookies: Vec<_> = jar
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut request = self
            .server
            .http
            .request(method, url)
            .header("cookie", cookies.join("; "));
        if let Some(body) = body {
            request = request
                .header("content-type", "application/x-www-form-urlencoded")
                .body(body);
        }
        let answer = Answer::of(request.send().await.unwrap()).await;
        for cookie in answer.headers.get_all("set-cookie") {
            let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            jar.insert(name.to_owned(), value.to_owned());
        }
        answer
    }

    fn absolute(&self, location: &str) -> String {
        if location.starts_with('/') {
            format!("{}{location}", self.issuer)
        } else {
            location.to_owned()
        }
    }

    /// The notification that Apple would post about this user.
    pub(crate) async fn notification(&self, type_: &str, who: &str) -> Value {
        let url = format!("{}/test/notification", self.issuer);
        let request = self
            .server
            .http
            .post(url)
            .json(&json!({ "type": type_, "who": who }));
        Answer::of(request.send().await.unwrap()).await.body
    }
}

fn spawn(folder: &Path, settings: &Value) -> (Child, String) {
    let mut process = Command::new(node())
        .arg("provider.mjs")
        .arg(settings.to_string())
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let told: Value = serde_json::from_str(&line).unwrap();
    (process, told["issuer"].as_str().unwrap().to_owned())
}

/// Node, as `scripts/tools` finds it.
fn node() -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|folder| folder.join("node"))
        .find(|file| file.is_file())
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/venv/bin/node"))
}

/// The fields of the one form of a page.
fn inputs(html: &str) -> Vec<(String, String)> {
    let value = |tag: &str, name: &str| {
        let (_, rest) = tag.split_once(&format!("{name}=\""))?;
        let text = rest.split('"').next()?;
        Some(text.replace("&quot;", "\"").replace("&amp;", "&"))
    };
    html.split("<input ")
        .skip(1)
        .map(|tag| (value(tag, "name").unwrap(), value(tag, "value").unwrap()))
        .collect()
}

/// The fields as [`super::come_back`] takes them.
pub(crate) fn fields(posted: &[(String, String)]) -> Vec<(&str, &str)> {
    posted
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}
