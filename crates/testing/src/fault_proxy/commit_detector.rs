//! Reads what PostgreSQL answers, as far as is needed to see that a transaction was committed.
//!
//! After the start each message is a byte that tells its kind, four bytes with the length (of themselves and what
//! follows), and the content (PostgreSQL manual, "Message Flow" and "Message Formats"). One answer may come before:
//! the single byte that refuses TLS.

/// Sent when the server is ready for the next query; says whether a transaction is open.
const READY_FOR_QUERY: u8 = b'Z';
/// Sent when a command is done; says which, and for how many rows.
const COMMAND_COMPLETE: u8 = b'C';
/// A statement failed, and its transaction with it.
const ERROR: u8 = b'E';
/// What the client has to prove, or that it has.
const AUTHENTICATION: u8 = b'R';
/// The answer to a client that asks for TLS, where the server has none.
const NO_TLS: u8 = b'N';

/// What the bytes so far end with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// An answer that is not whole yet.
    Unfinished,
    /// A whole answer that said nothing of a commit.
    Answer,
    /// A whole answer after which something that was written is committed.
    Committed,
}

/// The messages of one connection.
#[derive(Default)]
pub(super) struct Answers {
    unread: Vec<u8>,
    started: bool,
    /// In the transaction that is open.
    wrote: bool,
}

impl Answers {
    /// Takes the next bytes, however they were cut into pieces.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Seen {
        self.unread.extend_from_slice(bytes);
        if !self.started {
            self.started = true;
            if self.unread == [NO_TLS] {
                self.unread.clear();
                return Seen::Answer;
            }
        }
        let mut seen = Seen::Unfinished;
        let mut read = 0;
        while let Some((kind, content)) = first_message(&self.unread[read..]) {
            read += 5 + content.len();
            match kind {
                COMMAND_COMPLETE => {
                    let tag = content.strip_suffix(b"\0").unwrap_or(content);
                    // A transaction that failed is ended by this answer too when it is asked to commit.
                    self.wrote = tag != b"ROLLBACK" && (self.wrote || is_write(tag));
                    seen = Seen::Unfinished;
                }
                READY_FOR_QUERY => {
                    // No transaction is open any more, whether COMMIT closed it or a single statement was one.
                    if content == b"I" && self.wrote {
                        self.wrote = false;
                        seen = Seen::Committed;
                        break;
                    }
                    seen = Seen::Answer;
                }
                AUTHENTICATION => seen = Seen::Answer,
                kind => {
                    self.wrote &= kind != ERROR;
                    seen = Seen::Unfinished;
                }
            }
        }
        self.unread.drain(..read);
        if self.unread.is_empty() || seen == Seen::Committed {
            seen
        } else {
            Seen::Unfinished
        }
    }
}

fn first_message(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (kind, rest) = bytes.split_first()?;
    let (length, _) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    Some((*kind, rest.get(4..length)?))
}

/// `INSERT 0 2`, `UPDATE 1`, `DELETE 3`: the last number is that of the rows.
fn is_write(tag: &[u8]) -> bool {
    let tag = String::from_utf8_lossy(tag);
    let mut words = tag.split(' ');
    matches!(words.next(), Some("INSERT" | "UPDATE" | "DELETE" | "MERGE")) && words.next_back() != Some("0")
}

#[cfg(test)]
mod tests {
    use super::{Answers, Seen};

    fn message(kind: u8, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len() + 4).expect("short");
        [&[kind][..], &length.to_be_bytes(), content].concat()
    }

    #[test]
    fn a_commit_is_seen_wherever_the_bytes_are_cut() {
        let begin = [message(b'C', b"BEGIN\0"), message(b'Z', b"T")].concat();
        let insert = [message(b'C', b"INSERT 0 2\0"), message(b'Z', b"T")].concat();
        let commit = [message(b'C', b"COMMIT\0"), message(b'Z', b"I")].concat();
        for cut in 0..commit.len() {
            let mut answers = Answers::default();
            assert_eq!(answers.read(b"N"), Seen::Answer);
            assert_eq!(answers.read(&begin), Seen::Answer);
            assert_eq!(answers.read(&insert), Seen::Answer);
            if cut > 0 {
                assert_eq!(answers.read(&commit[..cut]), Seen::Unfinished, "{cut}");
            }
            assert_eq!(answers.read(&commit[cut..]), Seen::Committed, "{cut}");
        }
    }

    #[test]
    fn what_wrote_nothing_is_no_commit() {
        for tags in [&["SELECT 1"][..], &["UPDATE 0"], &["BEGIN", "SELECT 3", "COMMIT"]] {
            let mut answers = Answers::default();
            for tag in tags {
                let content = [tag.as_bytes(), b"\0"].concat();
                assert_eq!(answers.read(&message(b'C', &content)), Seen::Unfinished);
            }
            assert_eq!(answers.read(&message(b'Z', b"I")), Seen::Answer, "{tags:?}");
        }
    }

    #[test]
    fn a_rollback_forgets_what_was_written() {
        let mut answers = Answers::default();
        answers.read(&[message(b'C', b"UPDATE 4\0"), message(b'Z', b"T")].concat());
        let rollback = [message(b'C', b"ROLLBACK\0"), message(b'Z', b"I")].concat();
        assert_eq!(answers.read(&rollback), Seen::Answer);
    }
}
