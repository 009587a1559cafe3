//! Why the service does not start: one line that names the key and what to write instead.

use std::fmt;

/// A configuration that must not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    key: Option<String>,
    variable: Option<String>,
    problem: String,
}

impl ConfigError {
    /// `key` is wrong in the way that `problem` says; `problem` also says what to write instead.
    pub(super) fn at(key: &str, problem: impl fmt::Display) -> Self {
        Self {
            key: Some(key.to_owned()),
            variable: None,
            problem: one_line(&problem.to_string()),
        }
    }

    /// The file as a whole is wrong.
    pub(super) fn file(problem: impl fmt::Display) -> Self {
        Self {
            key: None,
            variable: None,
            problem: one_line(&problem.to_string()),
        }
    }

    /// Notes that the value came from this environment variable.
    pub(super) fn set_by(mut self, variable: Option<String>) -> Self {
        self.variable = variable;
        self
    }

    /// The key that is to be changed, in the dotted form of the file; none where the whole file is
    /// wrong.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }
}

/// What a parser reports may span lines; an operator greps for one.
fn one_line(text: &str) -> String {
    text.split(['\n', '\r'])
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("; ")
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("configuration: ")?;
        match (&self.key, &self.variable) {
            (Some(key), Some(variable)) => write!(f, "`{key}` (from {variable}): ")?,
            (Some(key), None) => write!(f, "`{key}`: ")?,
            (None, _) => {}
        }
        f.write_str(&self.problem)
    }
}

impl std::error::Error for ConfigError {}

/// Refuses a number outside its bounds, naming both.
pub(super) fn within<T: PartialOrd + fmt::Display>(
    key: &str,
    value: T,
    least: T,
    most: T,
) -> Result<(), ConfigError> {
    if value < least || value > most {
        return Err(ConfigError::at(
            key,
            format_args!("{value} is out of bounds; write {least} to {most}"),
        ));
    }
    Ok(())
}
