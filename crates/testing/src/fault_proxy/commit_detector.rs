//! Reads PostgreSQL's messages to the client and detects that a transaction was committed.
//!
//! A message is one byte for its type, four bytes for its length (of the length itself and the
//! content), and the content (PostgreSQL manual, "Message Flow" and "Message Formats"). The first
//! answer may instead be the single byte that refuses TLS.

/// The server is ready for the next query. The content says whether a transaction is open.
const READY_FOR_QUERY: u8 = b'Z';
/// A command is done. The content names the command and its number of rows.
const COMMAND_COMPLETE: u8 = b'C';
/// A statement failed, and with it its transaction.
const ERROR: u8 = b'E';
/// A step of the authentication.
const AUTHENTICATION: u8 = b'R';
/// The server refuses TLS.
const NO_TLS: u8 = b'N';

/// What the bytes read so far end with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// An answer that is not complete yet.
    Incomplete,
    /// A complete answer without a commit.
    Complete,
    /// A complete answer that reports the commit of a transaction that wrote rows.
    Committed,
}

/// Reads the messages of one connection.
#[derive(Default)]
pub(super) struct CommitDetector {
    /// The bytes of an incomplete message.
    unread: Vec<u8>,
    /// Whether any bytes were read. Only the first answer can refuse TLS.
    started: bool,
    /// Whether the open transaction wrote rows.
    wrote: bool,
}

impl CommitDetector {
    /// Takes the next bytes, in chunks of any size.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Progress {
        self.unread.extend_from_slice(bytes);
        if !self.started {
            self.started = true;
            if self.unread == [NO_TLS] {
                self.unread.clear();
                return Progress::Complete;
            }
        }
        let mut progress = Progress::Incomplete;
        let mut read = 0;
        while let Some((kind, content)) = first_message(&self.unread[read..]) {
            read += 5 + content.len();
            match kind {
                COMMAND_COMPLETE => {
                    let tag = content.strip_suffix(b"\0").unwrap_or(content);
                    // PostgreSQL answers the COMMIT of a failed transaction with ROLLBACK.
                    self.wrote = tag != b"ROLLBACK" && (self.wrote || is_write(tag));
                    progress = Progress::Incomplete;
                }
                READY_FOR_QUERY => {
                    // `I` (idle): COMMIT ended the transaction, or a statement was its own
                    // transaction.
                    if content == b"I" && self.wrote {
                        self.wrote = false;
                        progress = Progress::Committed;
                        break;
                    }
                    progress = Progress::Complete;
                }
                AUTHENTICATION => progress = Progress::Complete,
                kind => {
                    self.wrote &= kind != ERROR;
                    progress = Progress::Incomplete;
                }
            }
        }
        self.unread.drain(..read);
        if self.unread.is_empty() || progress == Progress::Committed {
            progress
        } else {
            Progress::Incomplete
        }
    }
}

/// The type and content of the first message; `None` if it is incomplete.
fn first_message(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (kind, rest) = bytes.split_first()?;
    let (length, _) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    Some((*kind, rest.get(4..length)?))
}

/// Whether a command tag, such as `INSERT 0 2` or `UPDATE 1`, reports written rows. Its last number
/// counts them.
fn is_write(tag: &[u8]) -> bool {
    let tag = String::from_utf8_lossy(tag);
    let mut words = tag.split(' ');
    matches!(words.next(), Some("INSERT" | "UPDATE" | "DELETE" | "MERGE")) && words.next_back() != Some("0")
}

#[cfg(test)]
mod tests {
    use super::{CommitDetector, Progress};

    fn message(kind: u8, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len() + 4).expect("the content is short");
        [&[kind][..], &length.to_be_bytes(), content].concat()
    }

    #[test]
    fn a_commit_is_detected_wherever_the_bytes_are_split() {
        let begin = [message(b'C', b"BEGIN\0"), message(b'Z', b"T")].concat();
        let insert = [message(b'C', b"INSERT 0 2\0"), message(b'Z', b"T")].concat();
        let commit = [message(b'C', b"COMMIT\0"), message(b'Z', b"I")].concat();
        for cut in 0..commit.len() {
            let mut detector = CommitDetector::default();
            assert_eq!(detector.read(b"N"), Progress::Complete);
            assert_eq!(detector.read(&begin), Progress::Complete);
            assert_eq!(detector.read(&insert), Progress::Complete);
            if cut > 0 {
                assert_eq!(detector.read(&commit[..cut]), Progress::Incomplete, "{cut}");
            }
            assert_eq!(detector.read(&commit[cut..]), Progress::Committed, "{cut}");
        }
    }

    #[test]
    fn a_transaction_without_writes_is_not_a_commit() {
        for tags in [&["SELECT 1"][..], &["UPDATE 0"], &["BEGIN", "SELECT 3", "COMMIT"]] {
            let mut detector = CommitDetector::default();
            for tag in tags {
                let content = [tag.as_bytes(), b"\0"].concat();
                assert_eq!(detector.read(&message(b'C', &content)), Progress::Incomplete);
            }
            assert_eq!(
                detector.read(&message(b'Z', b"I")),
                Progress::Complete,
                "{tags:?}"
            );
        }
    }

    #[test]
    fn a_rollback_is_not_a_commit() {
        let mut detector = CommitDetector::default();
        detector.read(&[message(b'C', b"UPDATE 4\0"), message(b'Z', b"T")].concat());
        let rollback = [message(b'C', b"ROLLBACK\0"), message(b'Z', b"I")].concat();
        assert_eq!(detector.read(&rollback), Progress::Complete);
    }
}
