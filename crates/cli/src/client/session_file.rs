//! The file with the session of `tm-auth login`: tokens that manage the account's keys.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tm_auth_client::AuthApi;
use tm_auth_client::proto::{TokenResponse, text};

use super::Failure;

/// The session file of a command.
#[derive(Args, Clone, Debug)]
pub(super) struct SessionFileArgs {
    /// The file with the session of `tm-auth login` [default: ~/.config/tm-auth/session.json]
    #[arg(long, env = "TM_SESSION_FILE", value_name = "FILE")]
    session_file: Option<PathBuf>,
}

impl SessionFileArgs {
    pub(super) fn path(&self) -> Result<PathBuf, Failure> {
        if let Some(path) = &self.session_file {
            return Ok(path.clone());
        }
        let from = |name: &str| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        from("XDG_CONFIG_HOME")
            .or_else(|| from("HOME").map(|home| home.join(".config")))
            .map(|config| config.join("tm-auth/session.json"))
            .ok_or_else(|| {
                Failure::usage("there is no home directory: name the session file with --session-file")
            })
    }
}

/// The session at one service.
#[derive(Deserialize, Serialize)]
pub(super) struct Session {
    pub(super) base_url: String,
    pub(super) email: String,
    pub(super) access_token: String,
    pub(super) refresh_token: String,
    pub(super) expires_at: Timestamp,
}

impl Session {
    pub(super) fn new(api: &AuthApi, email: &str, tokens: &TokenResponse) -> Self {
        Self {
            base_url: api.base_url().to_owned(),
            email: email.to_owned(),
            access_token: tokens.access_token.clone(),
            refresh_token: tokens.refresh_token.clone(),
            expires_at: tokens.expires_in,
        }
    }

    pub(super) fn load(path: &Path) -> Result<Self, Failure> {
        let text = fs::read(path).map_err(|error| {
            let shown = path.display();
            Failure::usage(format!("cannot read the session from {shown}: {error}"))
                .hint("log in: `tm-auth login`; or set a management token in TM_MANAGEMENT_TOKEN")
        })?;
        let not_a_session = |problem: &str| {
            Failure::usage(format!("{} is not a session file{problem}", path.display()))
                .hint("log in again: `tm-auth login`")
        };
        let text = text::from_bytes(&text).map_err(|problem| not_a_session(&format!(": it {problem}")))?;
        // Drop serde's message, which could quote a token.
        serde_json::from_str(text).map_err(|_| not_a_session(""))
    }

    /// Writes a temporary file with mode 0600 and renames it, so that the file is never incomplete.
    pub(super) fn save(&self, path: &Path) -> Result<(), Failure> {
        let failed = |error: std::io::Error| {
            Failure::usage(format!("cannot write the session to {}: {error}", path.display()))
        };
        let text = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}", std::process::id()));
        let temporary = PathBuf::from(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = options
            .open(&temporary)
            .and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&temporary, path));
        written.map_err(|error| {
            fs::remove_file(&temporary).ok();
            failed(error)
        })
    }
}
