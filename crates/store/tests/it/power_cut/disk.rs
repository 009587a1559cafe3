//! Undoes the unsynced writes in the shim's log, the last one first. This leaves the disk as a
//! power cut would.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Which of the unsynced writes are lost.
#[derive(Clone, Copy)]
pub(crate) enum Loss {
    /// All of them.
    All,
    /// About half of them, chosen by the seed.
    Some {
        /// Any number except 0.
        seed: u64,
    },
}

/// The followed files, in the order of the numbers that the shim gives them.
const ENDINGS: [&str; 3] = ["", "-wal", "-journal"];

/// Undoes one write.
struct Undo {
    offset: u64,
    /// The file's size before the write.
    size: u64,
    /// The length of the write.
    written: usize,
    /// The bytes that the write replaced: fewer than `written` if the file was shorter.
    bytes: Vec<u8>,
}

/// Undoes writes that no sync made durable.
pub(crate) fn lose(database: &Path, log: &Path, loss: Loss) {
    let log = std::fs::read(log).expect("the shim was loaded");
    let mut random = match loss {
        Loss::All => 0,
        Loss::Some { seed } => seed,
    };
    for (ending, undos) in ENDINGS.iter().zip(unsynced(&log)) {
        let mut path = database.as_os_str().to_owned();
        path.push(ending);
        if undos.is_empty() {
            continue;
        }
        let file = OpenOptions::new()
            .write(true)
            .open(path)
            .expect("the writer created it");
        for undo in undos.iter().rev() {
            match loss {
                Loss::All => undo.apply(&file),
                Loss::Some { .. } if xorshift(&mut random).is_multiple_of(2) => undo.leave_a_hole(&file),
                Loss::Some { .. } => {}
            }
        }
    }
}

/// The writes after each file's last sync, in their order.
fn unsynced(mut log: &[u8]) -> [Vec<Undo>; 3] {
    let mut files: [Vec<Undo>; 3] = Default::default();
    // An incomplete last record belongs to a write that had not begun.
    while let Some((head, rest)) = log.split_at_checked(48) {
        let field =
            |index: usize| u64::from_ne_bytes(head[index * 8..][..8].try_into().expect("eight bytes"));
        let index = |number: u64| usize::try_from(number).expect("small");
        let Some((bytes, rest)) = rest.split_at_checked(index(field(2))) else {
            break;
        };
        log = rest;
        let file = &mut files[index(field(1))];
        match field(0) {
            1 => file.push(Undo {
                offset: field(3),
                size: field(4),
                written: index(field(5)),
                bytes: bytes.to_vec(),
            }),
            2 => file.clear(),
            kind => panic!("a record of kind {kind}"),
        }
    }
    files
}

impl Undo {
    fn apply(&self, file: &File) {
        file.write_all_at(&self.bytes, self.offset)
            .expect("the file can be written");
        file.set_len(self.size).expect("the file can be written");
    }

    /// Restores the block, but leaves the file as long as later writes made it.
    fn leave_a_hole(&self, file: &File) {
        let mut block = self.bytes.clone();
        block.resize(block.len().max(self.written), 0);
        file.write_all_at(&block, self.offset)
            .expect("the file can be written");
    }
}

fn xorshift(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}
