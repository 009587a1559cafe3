//! The input, output and clock of a command, as values that tests can replace.

use std::io::{self, IsTerminal, Read, Write};

use jiff::Timestamp;
use tm_auth_client::proto::text;
use tm_auth_client::{Runtime, SystemRuntime};

use super::Failure;
use crate::output::{Output, Unwritten};

/// The maximum length of the input, in bytes. Tokens and responses have a few kilobytes.
const MAX_INPUT: u64 = 64 * 1024;
/// The maximum length of a line, in bytes. E-mail addresses and codes are shorter.
const MAX_LINE: usize = 1024;

/// Standard input, output and error, and the clock.
pub(crate) struct Console<'a> {
    pub(super) input: Box<dyn Read + 'a>,
    /// Whether a person types the input.
    pub(super) input_is_terminal: bool,
    pub(super) output: Box<dyn Write + 'a>,
    pub(super) notes: Box<dyn Write + 'a>,
    pub(super) now: Timestamp,
}

impl Console<'_> {
    /// The streams and the clock of the process.
    pub(crate) fn real() -> Self {
        Self {
            input: Box::new(io::stdin()),
            input_is_terminal: io::stdin().is_terminal(),
            output: Box::new(Output),
            notes: Box::new(io::stderr()),
            now: SystemRuntime.now(),
        }
    }

    /// Prints a line of the result.
    pub(super) fn print(&mut self, line: &str) -> Result<(), Failure> {
        let written = writeln!(self.output, "{line}").and_then(|()| self.output.flush());
        written.map_err(|error| Failure::refused(Unwritten(error).to_string()))
    }

    /// Prints a line for people.
    pub(super) fn note(&mut self, line: &str) {
        // Ignore failures: there is no other place to report them.
        writeln!(self.notes, "{line}").ok();
    }

    /// Reads one line of standard input and trims it. Prompts on a terminal.
    pub(super) fn line(&mut self, question: &str) -> Result<String, Failure> {
        if self.input_is_terminal {
            write!(self.notes, "{question}: ").ok();
            self.notes.flush().ok();
        }
        let failed = |error| Failure::usage(format!("cannot read standard input: {error}"));
        let (mut line, mut byte) = (Vec::new(), [0]);
        // Read single bytes, so that the next line stays for the next question.
        while line.len() < MAX_LINE && self.input.read(&mut byte).map_err(failed)? == 1 && byte != *b"\n" {
            line.extend(byte);
        }
        let line = String::from_utf8_lossy(&line);
        let line = text::without_mark(&line).trim().to_owned();
        if line.is_empty() {
            return Err(Failure::usage(format!(
                "{question}: expected a line on standard input"
            )));
        }
        Ok(line)
    }

    /// Reads all of standard input and trims it.
    pub(super) fn read(&mut self, what: &str) -> Result<String, Failure> {
        if self.input_is_terminal {
            self.note(&format!("Paste {what}, then press Ctrl-D:"));
        }
        let mut bytes = Vec::new();
        let read = (&mut self.input).take(MAX_INPUT + 1).read_to_end(&mut bytes);
        read.map_err(|error| Failure::usage(format!("cannot read {what} from standard input: {error}")))?;
        if bytes.len() as u64 > MAX_INPUT {
            return Err(Failure::usage(format!("standard input is too long to be {what}")));
        }
        let text = text::from_bytes(&bytes)
            .map_err(|problem| Failure::usage(format!("standard input {problem}: expected {what}")))?
            .trim();
        if text.is_empty() {
            return Err(Failure::usage(format!(
                "standard input is empty: expected {what}"
            )));
        }
        Ok(text.to_owned())
    }
}
