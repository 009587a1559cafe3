//! Merges the file with the environment and parses the result.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use config::{File, FileFormat};
use serde::de::DeserializeOwned;
use tm_auth_proto::text;

use super::error::ConfigError;

/// The prefix of variables that are settings: `TM_AUTH__TOKENS__ALGORITHM` is `tokens.algorithm`.
const PREFIX: &str = "TM_AUTH__";

/// Keys whose value no message repeats, and no file holds that other users can read.
const SECRET_KEYS: [&str; 4] = [
    "keys.kek",
    "keys.previous_kek",
    "apple.private_key",
    "database.url",
];

/// The merged settings and where they came from.
pub(super) struct Source {
    merged: config::Config,
    file: Option<PathBuf>,
    /// The variable that each setting came from.
    variables: BTreeMap<String, String>,
}

impl Source {
    pub(super) fn read(
        file: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut builder = config::Config::builder();
        if let Some(path) = file {
            let bytes = std::fs::read(path).map_err(|e| {
                ConfigError::file(format_args!(
                    "{} cannot be read ({e}); name a readable file",
                    path.display()
                ))
            })?;
            let text = text::from_bytes(&bytes)
                .map_err(|problem| ConfigError::file(format_args!("{} {problem}", path.display())))?;
            builder = builder.add_source(File::from_str(text, FileFormat::Toml));
        }
        let mut variables = BTreeMap::new();
        for (variable, value) in env {
            let Some(rest) = variable.strip_prefix(PREFIX) else {
                continue;
            };
            if value.is_empty() {
                continue;
            }
            let key = rest.to_lowercase().replace("__", ".");
            builder = builder.set_override(&key, value).map_err(|_| {
                ConfigError::file(format_args!(
                    "{variable} names no setting; write {PREFIX}SECTION__KEY"
                ))
            })?;
            variables.insert(key, variable);
        }
        let merged = builder.build().map_err(|e| unparsable(file, &e))?;
        Ok(Self {
            merged,
            file: file.map(Path::to_owned),
            variables,
        })
    }

    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        serde_path_to_error::deserialize(self.merged.clone()).map_err(|e| {
            let path = e.path().to_string();
            let reason = reason(&path, e.inner());
            if let Some(key) = missing_field(e.inner()) {
                // In an optional section the error already has the whole key.
                let whole = path == "." || key.starts_with(&format!("{path}."));
                let key = if whole { key } else { format!("{path}.{key}") };
                return match &self.file {
                    Some(_) => ConfigError::at(&key, "is missing; it has no default, so write it"),
                    None => ConfigError::at(
                        &key,
                        format_args!(
                            "is missing, and no configuration file was named; name one with --config FILE or \
                             TM_AUTH_CONFIG, or set {PREFIX}{}",
                            key.replace('.', "__").to_uppercase()
                        ),
                    ),
                };
            }
            let variable = self.variables.get(&path).cloned();
            if path == "." {
                ConfigError::file(reason)
            } else {
                ConfigError::at(&path, reason).set_by(variable)
            }
        })
    }

    /// The first secret that is set in the file and not overridden by a variable, and the file.
    pub(super) fn file_with_inline_secret(&self) -> Option<(&'static str, &Path)> {
        let file = self.file.as_deref()?;
        SECRET_KEYS
            .into_iter()
            .find(|key| self.merged.get::<config::Value>(key).is_ok() && !self.variables.contains_key(*key))
            .map(|key| (key, file))
    }
}

/// A TOML error without the line that the parser quotes, which may hold a secret.
fn unparsable(file: Option<&Path>, error: &config::ConfigError) -> ConfigError {
    let config::ConfigError::FileParse { cause, .. } = error else {
        return ConfigError::file(
            "the file and the environment cannot be merged: a key is both a value and a section",
        );
    };
    let cause = cause.to_string();
    let place = cause.lines().next().unwrap_or_default();
    let problem = cause
        .lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty())
        .unwrap_or_default();
    let file = file.unwrap_or(Path::new("the file")).display();
    ConfigError::file(format_args!("{file} is not TOML: {place}: {problem}"))
}

fn reason(path: &str, error: &config::ConfigError) -> String {
    match innermost(error) {
        // The value may be a secret, so the message does not repeat it.
        config::ConfigError::Type { expected, .. }
            if path.starts_with("keys") || SECRET_KEYS.contains(&path) =>
        {
            format!("the value has the wrong type; write {expected}")
        }
        config::ConfigError::Type {
            unexpected, expected, ..
        } => format!("{unexpected} does not fit; write {expected}"),
        config::ConfigError::Message(message) => message.clone(),
        other => other.to_string(),
    }
}

fn innermost(error: &config::ConfigError) -> &config::ConfigError {
    match error {
        config::ConfigError::At { error, .. } => innermost(error),
        other => other,
    }
}

fn missing_field(error: &config::ConfigError) -> Option<String> {
    match innermost(error) {
        config::ConfigError::NotFound(key) => Some(key.clone()),
        config::ConfigError::Message(message) => {
            let name = message.strip_prefix("missing field `")?.strip_suffix('`')?;
            Some(name.to_owned())
        }
        _ => None,
    }
}
