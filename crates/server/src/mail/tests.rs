//! Mail without a server.

use super::compose::checked;
use super::message::Message;
use super::*;

fn mail() -> Mail {
    Mail {
        to: "a@x.com".to_owned(),
        subject: "Log in".to_owned(),
        text: "1234-5678".to_owned(),
        html: "<p>1234-5678</p>".to_owned(),
    }
}

fn ready(mail: Mail) -> Ready {
    let (to, mail) = checked(mail).unwrap();
    Ready {
        ids: vec![[1; 16]],
        to,
        mail,
        message_id: uuid::Uuid::from_bytes([2; 16]),
        created_at: Timestamp::UNIX_EPOCH,
        attempts: 0,
        charged: None,
        request_id: None,
    }
}

#[test]
fn f17_f20_the_parts_of_a_mail_inject_no_header() {
    for to in ["a@x.com\r\nBcc: v@y.com", "a@x.com, b@y.com", "A <a@x.com>"] {
        let to = to.to_owned();
        assert_eq!(checked(Mail { to, ..mail() }).unwrap_err(), "address");
    }
    let subject = "Log in\r\nBcc: v@y.com".to_owned();
    assert!(checked(Mail { subject, ..mail() }).is_err());
    assert!(checked(mail()).is_ok());
}

#[test]
fn f20_a_mail_is_text_and_html_in_plain_ascii() {
    let from = "True Markets <no-reply@x.com>".parse().unwrap();
    let letter = Mail {
        text: "„ü“\n.\nBcc: v@y.com\n".to_owned(),
        subject: "Grüße".to_owned(),
        ..mail()
    };
    let ready = ready(letter);
    let message = Message::new(&ready, &from, "localhost").unwrap();
    let text = std::str::from_utf8(&message.bytes).unwrap();
    assert!(text.is_ascii());
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let names: Vec<_> = head
        .lines()
        .filter(|line| !line.starts_with([' ', '\t']))
        .map(|line| line.split(':').next().unwrap())
        .collect();
    let expected = [
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "MIME-Version",
        "Content-Type",
        "Auto-Submitted",
    ];
    let sorted = |mut names: Vec<&str>| {
        names.sort_unstable();
        names.join(" ")
    };
    assert_eq!(sorted(names), sorted(expected.to_vec()), "{head}");
    assert!(head.contains("Content-Type: multipart/alternative"), "{head}");
    assert!(head.contains("Date: Thu, 01 Jan 1970 00:00:00"), "{head}");
    assert!(
        body.find("text/plain").unwrap() < body.find("text/html").unwrap(),
        "{body}"
    );
    assert_eq!(message.envelope.to().len(), 1);
    // Duplicates can be recognised.
    let id = format!("Message-ID: <{}@localhost>", ready.message_id);
    let again = Message::new(&ready, &from, "localhost").unwrap();
    assert!(text.contains(&id) && std::str::from_utf8(&again.bytes).unwrap().contains(&id));
}
