//! Searches a request's head for what parsers are known to interpret differently.
//!
//! hyper refuses most malformed heads itself. It is lenient if RFC 9112 allows that: a bare LF ends
//! a line, `Content-Length` beside `Transfer-Encoding` is dropped, and repeated `Content-Length`
//! headers are merged. A proxy in front may interpret the same bytes differently, which allows
//! request smuggling. Legitimate clients send none of these, so they are refused. hyper's parsed
//! head no longer shows them, so the raw bytes are scanned.

use std::fmt;

use http::header::{HOST, TRANSFER_ENCODING};
use http::{HeaderMap, Version};

/// Length of the longest header name that is counted.
const LONGEST_NAME: usize = "transfer-encoding".len();

/// Why a request's head is refused. The connection closes after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// A line ends in LF without CR.
    BareLineFeed,
    /// The head has more than one `Content-Length`.
    RepeatedContentLength,
    /// The head has both `Content-Length` and `Transfer-Encoding`.
    ContentLengthAndTransferEncoding,
    /// The transfer encoding is not `chunked` alone.
    UnknownTransferEncoding,
    /// The head has more than one `Host`, or none in HTTP/1.1.
    NotOneHost,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BareLineFeed => "a line of the request's head ends in LF without CR",
            Self::RepeatedContentLength => "the request's head has more than one Content-Length",
            Self::ContentLengthAndTransferEncoding => {
                "the request's head has both Content-Length and Transfer-Encoding"
            }
            Self::UnknownTransferEncoding => "the Transfer-Encoding is not `chunked` alone",
            Self::NotOneHost => "the request's head must have exactly one Host",
        })
    }
}

impl std::error::Error for Malformed {}

/// Scans the bytes of one head as they arrive.
#[derive(Debug, Default)]
pub(super) struct HeadScanner {
    line: Line,
    part: Part,
    previous_is_cr: bool,
    has_bare_line_feed: bool,
    content_lengths: u32,
    transfer_encodings: u32,
}

/// The part of the head that the scanner has reached.
#[derive(Debug, Default, PartialEq)]
enum Part {
    #[default]
    RequestLine,
    Headers,
    Complete,
}

/// The current line: its length, and its beginning as far as that can be a header's name.
#[derive(Debug, Default)]
struct Line {
    length: usize,
    name: [u8; LONGEST_NAME],
    name_is_over: bool,
}

impl HeadScanner {
    /// Scans bytes up to the end of the head. Returns how many it scanned.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while taken < bytes.len() && !self.is_complete() {
            self.byte(bytes[taken]);
            taken += 1;
        }
        taken
    }

    /// Whether the empty line that ends the head was seen.
    pub(super) fn is_complete(&self) -> bool {
        self.part == Part::Complete
    }

    /// Whether only empty lines were seen.
    pub(super) fn is_blank(&self) -> bool {
        self.part == Part::RequestLine && self.line.length == 0
    }

    /// What is wrong with the head so far, if anything.
    pub(super) fn malformed(&self) -> Option<Malformed> {
        if self.has_bare_line_feed {
            return Some(Malformed::BareLineFeed);
        }
        // RFC 9112 section 6.3: "A server MAY reject a request that contains both Content-Length
        // and Transfer-Encoding". Section 11.2 describes the attack that this prevents.
        if self.content_lengths > 0 && self.transfer_encodings > 0 {
            return Some(Malformed::ContentLengthAndTransferEncoding);
        }
        (self.content_lengths > 1).then_some(Malformed::RepeatedContentLength)
    }

    fn byte(&mut self, byte: u8) {
        match byte {
            b'\n' => self.end_line(),
            b'\r' => {}
            _ => self.within_line(byte),
        }
        self.previous_is_cr = byte == b'\r';
    }

    fn end_line(&mut self) {
        self.has_bare_line_feed |= !self.previous_is_cr;
        self.part = match (&self.part, self.line.length) {
            // RFC 9112 section 2.2: a server "SHOULD ignore at least one empty line (CRLF) received
            // prior to the request-line". hyper ignores them, so they do not end the head.
            (Part::RequestLine, 0) => Part::RequestLine,
            (Part::Headers | Part::Complete, 0) => Part::Complete,
            (_, 1..) => Part::Headers,
        };
        self.line = Line::default();
    }

    fn within_line(&mut self, byte: u8) {
        let at = self.line.length;
        self.line.length += 1;
        if self.line.name_is_over {
            return;
        }
        if byte == b':' {
            self.line.name_is_over = true;
            self.count(at.min(LONGEST_NAME));
        } else if let Some(slot) = self.line.name.get_mut(at) {
            *slot = byte.to_ascii_lowercase();
        } else {
            self.line.name_is_over = true;
        }
    }

    fn count(&mut self, length: usize) {
        // The request line is not a header, even if it looks like one.
        if self.part == Part::RequestLine {
            return;
        }
        match &self.line.name[..length] {
            b"content-length" => self.content_lengths = self.content_lengths.saturating_add(1),
            b"transfer-encoding" => self.transfer_encodings = self.transfer_encodings.saturating_add(1),
            _ => {}
        }
    }
}

/// What is wrong with the headers that hyper has parsed, if anything.
pub(super) fn malformed_headers(version: Version, headers: &HeaderMap) -> Option<Malformed> {
    let hosts = headers.get_all(HOST).iter().count();
    // RFC 9112 section 3.2: "A server MUST respond with a 400 (Bad Request) status code to any
    // HTTP/1.1 request message that lacks a Host header field and to any request message that
    // contains more than one Host header field line".
    if hosts > 1 || (hosts == 0 && version == Version::HTTP_11) {
        return Some(Malformed::NotOneHost);
    }
    let mut encodings = headers.get_all(TRANSFER_ENCODING).iter();
    match (encodings.next(), encodings.next()) {
        (None, _) => None,
        (Some(only), None) if only.as_bytes().eq_ignore_ascii_case(b"chunked") => None,
        (Some(_), _) => Some(Malformed::UnknownTransferEncoding),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scan(head: &str) -> (usize, Option<Malformed>) {
        let mut scanner = HeadScanner::default();
        let taken = scanner.scan(head.as_bytes());
        assert!(scanner.is_complete(), "{head:?}");
        (taken, scanner.malformed())
    }

    #[test]
    fn i05_the_end_of_a_head_is_found() {
        let head = "\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n";
        assert_eq!(scan(&format!("{head}abcGET /")), (head.len(), None));
        for (bytes, end) in [
            ("GET / HTTP/1.1\n\nx", 16),
            ("GET / HTTP/1.1\r\n\nx", 17),
            ("GET / HTTP/1.1\n\r\nx", 17),
        ] {
            assert_eq!(scan(bytes), (end, Some(Malformed::BareLineFeed)), "{bytes:?}");
        }
        let mut scanner = HeadScanner::default();
        assert_eq!(scanner.scan(b"\r\n\r\n"), 4);
        assert!(scanner.is_blank() && !scanner.is_complete());
        scanner.scan(b"G");
        assert!(!scanner.is_blank());
    }

    #[test]
    fn i05_ambiguous_lengths_are_seen() {
        let with = |headers: &str| scan(&format!("POST / HTTP/1.1\r\n{headers}\r\n")).1;
        assert_eq!(with("Content-Length: 3\r\n"), None);
        assert_eq!(with("Transfer-Encoding: chunked\r\n"), None);
        assert_eq!(
            with("X-Content-Length: 3\r\nContent-Length: 3\r\nContent-Length2: 3\r\n"),
            None
        );
        assert_eq!(with("X: content-length: 1\r\nContent-Length: 3\r\n"), None);
        assert_eq!(
            with("Content-Length: 3\r\ncontent-LENGTH: 3\r\n"),
            Some(Malformed::RepeatedContentLength)
        );
        let both = Some(Malformed::ContentLengthAndTransferEncoding);
        assert_eq!(with("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"), both);
        assert_eq!(with("transfer-encoding: chunked\r\nContent-Length: 3\r\n"), both);
        assert_eq!(with("Host: a\nX: b\r\n"), Some(Malformed::BareLineFeed));
        assert_eq!(
            scan("content-length: 1\r\nContent-Length: 3\r\n\r\n").1,
            None,
            "the first line is not a header"
        );
    }

    #[test]
    fn i05_hosts_and_encodings_are_judged() {
        let judge = |version, pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, value.parse().unwrap());
            }
            malformed_headers(version, &headers)
        };
        let host = ("host", "a");
        assert_eq!(judge(Version::HTTP_11, &[host]), None);
        assert_eq!(judge(Version::HTTP_10, &[]), None);
        assert_eq!(judge(Version::HTTP_11, &[]), Some(Malformed::NotOneHost));
        assert_eq!(
            judge(Version::HTTP_11, &[host, host]),
            Some(Malformed::NotOneHost)
        );
        assert_eq!(
            judge(Version::HTTP_10, &[host, host]),
            Some(Malformed::NotOneHost)
        );
        assert_eq!(
            judge(Version::HTTP_11, &[host, ("transfer-encoding", "Chunked")]),
            None
        );
        for encodings in [
            &["gzip, chunked"][..],
            &["chunked", "chunked"],
            &["identity"],
            &["chunked,"],
        ] {
            let mut pairs = vec![host];
            pairs.extend(encodings.iter().map(|encoding| ("transfer-encoding", *encoding)));
            assert_eq!(
                judge(Version::HTTP_11, &pairs),
                Some(Malformed::UnknownTransferEncoding),
                "{encodings:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn i05_how_the_bytes_are_cut_makes_no_difference(
            head in "([A-Za-z:, \r\n]{0,40}(content-length|transfer-encoding|\r\n)?){0,6}\r\n\r\nrest",
            cuts in prop::collection::vec(1usize..9, 1..40),
        ) {
            let mut whole = HeadScanner::default();
            let end = whole.scan(head.as_bytes());
            let mut pieces = HeadScanner::default();
            let (mut from, mut cuts) = (0, cuts.into_iter().cycle());
            while from < head.len() && !pieces.is_complete() {
                let to = (from + cuts.next().unwrap()).min(head.len());
                from += pieces.scan(&head.as_bytes()[from..to]);
            }
            prop_assert_eq!((end, whole.malformed(), whole.is_complete()), (from, pieces.malformed(), pieces.is_complete()));
        }
    }
}
