//! Standard output and standard error of commands. Nothing else in this program writes to them,
//! except the log of the server.
//!
//! `println!` and `eprintln!` panic if the stream is closed or its disk is full.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

/// The exit code if the reader of the output has gone, as in `tm-auth doctor | head -1`: that of a
/// program that SIGPIPE ended, 128 + 13.
const READER_GONE: i32 = 141;

/// Prints a line of the result on standard output.
pub(crate) fn print(line: impl Display) -> Result<(), Unwritten> {
    let written = writeln!(Output, "{line}").and_then(|()| Output.flush());
    written.map_err(Unwritten)
}

/// Prints a line for people on standard error. Ignores failures: there is no other place to report
/// them.
pub(crate) fn note(line: impl Display) {
    writeln!(io::stderr(), "{line}").ok();
}

/// The result of a command cannot be printed.
#[derive(Debug)]
pub(crate) struct Unwritten(pub(crate) io::Error);

impl Display for Unwritten {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot write the result: {}", self.0)
    }
}

impl std::error::Error for Unwritten {}

/// Standard output. Ends the process quietly if the reader has gone: every other program of a
/// pipeline would be ended by SIGPIPE then, which Rust ignores.
pub(crate) struct Output;

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        unless_reader_gone(io::stdout().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        unless_reader_gone(io::stdout().flush())
    }
}

fn unless_reader_gone<T>(outcome: io::Result<T>) -> io::Result<T> {
    if let Err(error) = &outcome
        && error.kind() == ErrorKind::BrokenPipe
    {
        std::process::exit(READER_GONE);
    }
    outcome
}
