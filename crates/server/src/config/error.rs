//! Why a configuration is refused: one line that names the key and says what to write instead.

use std::fmt;

/// Why a configuration is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    key: Option<String>,
    variable: Option<String>,
    problem: String,
}

impl ConfigError {
    /// The value of `key` is wrong. `problem` says how, and what to write instead.
    pub(super) fn at(key: &str, problem: impl fmt::Display) -> Self {
        Self {
            key: Some(key.to_owned()),
            variable: None,
            problem: one_line(&problem.to_string()),
        }
    }

    /// The problem is not with a single key.
    pub(super) fn file(problem: impl fmt::Display) -> Self {
        Self {
            key: None,
            variable: None,
            problem: one_line(&problem.to_string()),
        }
    }

    /// Adds the environment variable that the value came from, if any.
    pub(super) fn set_by(mut self, variable: Option<String>) -> Self {
        self.variable = variable;
        self
    }

    /// The key to change, as `section.key`. `None` if the problem is not with a single key.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }
}

/// Joins the lines of a parser's message, so that the error is one line.
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

/// Refuses a number outside its range. The error names both bounds.
pub(super) fn within<T: PartialOrd + fmt::Display>(
    key: &str,
    value: T,
    least: T,
    most: T,
) -> Result<(), ConfigError> {
    if value < least || value > most {
        return Err(ConfigError::at(
            key,
            format_args!("{value} is out of range; write {least} to {most}"),
        ));
    }
    Ok(())
}
