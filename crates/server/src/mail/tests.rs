//! The queue without workers.

use jiff::SignedDuration;
use tm_auth_proto::Environment;

use super::*;
use crate::clock::ManualClock;
use crate::config::{Kek, Mail as Settings, Smtp};
use crate::random;

fn config(mail: Settings) -> Config {
    let url = "http://localhost:8080/v1/auth".parse().unwrap();
    let kek = Kek::new(random::bytes()).unwrap();
    let mut config = Config::new(Environment::Uat, url, "a.db".into(), kek);
    config.mail = mail;
    config.check().unwrap()
}

fn queue(mail: Settings) -> MailQueue {
    MailQueue::new(&config(mail), Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH)))
}

fn smtp() -> MailQueue {
    let from = "no-reply@x.com".parse().unwrap();
    queue(Settings::Smtp(Box::new(Smtp::new("localhost", from))))
}

fn mail() -> Mail {
    Mail {
        to: "a@x.com".to_owned(),
        subject: "Log in".to_owned(),
        text: "1234-5678".to_owned(),
        html: "<p>1234-5678</p>".to_owned(),
        expires_at: Timestamp::UNIX_EPOCH + SignedDuration::from_mins(10),
    }
}

#[test]
fn f19_a_full_queue_is_a_503_and_its_second_half_is_for_mail_that_users_wait_for() {
    let queue = smtp();
    for held in 0..queue::CAPACITY {
        assert_eq!(queue.has_room(), held < queue::CAPACITY / 2, "{held}");
        queue.send(mail()).unwrap();
    }
    assert_eq!(queue.send(mail()).unwrap_err().code, ErrorCode::Unavailable);
}

#[tokio::test]
async fn f19_a_taken_mail_is_held_until_its_outcome_is_decided() {
    let queue = smtp();
    for _ in 0..queue::CAPACITY {
        queue.send(mail()).unwrap();
    }
    let Transport::Smtp { queue: held, .. } = &queue.transport else {
        unreachable!()
    };
    let taken = held.next().await.unwrap();
    assert!(queue.send(mail()).is_err());
    // It waits for another attempt and still takes up its place.
    assert!(taken.retry(std::time::Duration::from_hours(1)));
    drop(taken);
    assert!(queue.send(mail()).is_err());
    drop(held.next().await.unwrap());
    queue.send(mail()).unwrap();
    // A closed queue gives out every mail at once and takes none back.
    held.close();
    for _ in 0..queue::CAPACITY {
        assert!(!held.next().await.unwrap().retry(std::time::Duration::ZERO));
    }
    assert!(held.next().await.is_none() && held.next().await.is_none());
    assert_eq!(held.held(), 0);
}

#[test]
fn f17_f20_the_parts_of_a_mail_inject_no_header() {
    for queue in [smtp(), queue(Settings::Unset)] {
        assert!(queue.is_available());
        for to in ["a@x.com\r\nBcc: v@y.com", "a@x.com, b@y.com", "A <a@x.com>"] {
            let error = queue
                .send(Mail {
                    to: to.to_owned(),
                    ..mail()
                })
                .unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidRequest, "{to:?}");
        }
        let subject = "Log in\r\nBcc: v@y.com".to_owned();
        let error = queue.send(Mail { subject, ..mail() }).unwrap_err();
        assert_eq!(error.code, ErrorCode::Internal);
        assert_eq!(queue.mailbox().unwrap_or_default().len(), 0);
    }
}

#[test]
fn f20_a_mail_is_text_and_html_in_plain_ascii() {
    let from = "True Markets <no-reply@x.com>".parse().unwrap();
    let to = address::check("a@x.com").unwrap();
    let letter = Mail {
        text: "„ü“\n.\nBcc: v@y.com\n".to_owned(),
        subject: "Grüße".to_owned(),
        ..mail()
    };
    let message = Message::new(letter, to, &from, "localhost", Timestamp::UNIX_EPOCH).unwrap();
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
}

#[test]
fn f19_without_a_transport_no_mail_is_taken() {
    let mut config = config(Settings::Unset);
    config.environment = Environment::Production;
    let queue = MailQueue::new(&config, Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH)));
    assert!(!queue.is_available() && !queue.has_room());
    assert_eq!(queue.send(mail()).unwrap_err().code, ErrorCode::Unavailable);
    assert!(queue.mailbox().is_none());
}
