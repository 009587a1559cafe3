//! Where a command reads and writes, and what time it is: arguments, so that tests can give others.

use std::io::{self, IsTerminal, Read, Write};

use jiff::Timestamp;
use tm_auth_client::{Runtime, SystemRuntime};

use super::Failure;

/// Nothing that is read here is longer: tokens and answers are a few kilobytes.
const MAX_INPUT: u64 = 64 * 1024;
/// An address or a code is shorter.
const MAX_LINE: usize = 1024;

/// Standard input, output and error, and the clock.
pub(crate) struct Console<'a> {
    pub(super) input: Box<dyn Read + 'a>,
    /// A person would have to type what is read.
    pub(super) input_is_terminal: bool,
    pub(super) output: Box<dyn Write + 'a>,
    pub(super) notes: Box<dyn Write + 'a>,
    pub(super) now: Timestamp,
}

impl Console<'_> {
    /// The process's own.
    pub(crate) fn real() -> Self {
        Self {
            input: Box::new(io::stdin()),
            input_is_terminal: io::stdin().is_terminal(),
            output: Box::new(io::stdout()),
            notes: Box::new(io::stderr()),
            now: SystemRuntime.now(),
        }
    }

    /// A line of the result.
    pub(super) fn print(&mut self, line: &str) -> Result<(), Failure> {
        writeln!(self.output, "{line}")
            .map_err(|error| Failure::usage(format!("cannot write the result: {error}")))
    }

    /// A line for people.
    pub(super) fn note(&mut self, line: &str) {
        // Without a standard error there is nobody to tell.
        writeln!(self.notes, "{line}").ok();
    }

    /// One line of standard input, without the white space around it. A terminal is asked for it.
    pub(super) fn line(&mut self, question: &str) -> Result<String, Failure> {
        if self.input_is_terminal {
            write!(self.notes, "{question}: ").ok();
            self.notes.flush().ok();
        }
        let failed = |error| Failure::usage(format!("cannot read standard input: {error}"));
        let (mut line, mut byte) = (Vec::new(), [0]);
        // Byte by byte, so that the next line stays for the next question.
        while line.len() < MAX_LINE && self.input.read(&mut byte).map_err(failed)? == 1 && byte != *b"\n" {
            line.extend(byte);
        }
        let line = String::from_utf8_lossy(&line).trim().to_owned();
        if line.is_empty() {
            return Err(Failure::usage(format!(
                "{question}: a line was expected on standard input"
            )));
        }
        Ok(line)
    }

    /// All of standard input, without the white space around it.
    pub(super) fn read(&mut self, what: &str) -> Result<String, Failure> {
        if self.input_is_terminal {
            self.note(&format!("Paste {what}, then press Ctrl-D:"));
        }
        let mut text = String::new();
        let read = (&mut self.input).take(MAX_INPUT + 1).read_to_string(&mut text);
        read.map_err(|error| Failure::usage(format!("cannot read {what} from standard input: {error}")))?;
        if text.len() as u64 > MAX_INPUT {
            return Err(Failure::usage(format!("standard input is too long to be {what}")));
        }
        let text = text.trim();
        if text.is_empty() {
            return Err(Failure::usage(format!(
                "standard input is empty: {what} was expected there"
            )));
        }
        Ok(text.to_owned())
    }
}
