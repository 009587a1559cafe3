//! Reading standard input.

use crate::client::Console;
use crate::client::failure::Exit;

#[tokio::test]
async fn r52_standard_input_has_a_prompt_on_a_terminal_and_a_maximum_length() {
    let read = |input: &str, terminal: bool| {
        let mut notes = Vec::new();
        let mut console = Console {
            input: Box::new(input.as_bytes()),
            input_is_terminal: terminal,
            output: Box::new(Vec::new()),
            notes: Box::new(&mut notes),
            now: jiff::Timestamp::UNIX_EPOCH,
        };
        let text = console.read("the token");
        drop(console);
        (text, String::from_utf8(notes).unwrap())
    };
    assert_eq!(read(" abc\n", false), (Ok("abc".to_owned()), String::new()));
    let (text, notes) = read("abc", true);
    assert_eq!(text, Ok("abc".to_owned()));
    assert!(notes.contains("Paste the token"), "{notes}");
    assert_eq!(read("\u{feff}abc\r\n", false).0, Ok("abc".to_owned()));
    let failure = read("a\0b\0c\0", false).0.unwrap_err();
    assert!(format!("{failure:?}").contains("UTF-16"), "{failure:?}");
    assert_eq!(read(&"a".repeat(64 * 1024), false).0.unwrap().len(), 64 * 1024);
    for input in ["", " \n", &"a".repeat(64 * 1024 + 1)] {
        assert_eq!(read(input, false).0.unwrap_err().exit, Exit::Usage);
    }
}
