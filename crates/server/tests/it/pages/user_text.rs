//! Right-to-left text of a user must not reorder what stands beside it: `<bdi>` isolates it.

use super::fixtures::{LABEL, PASSKEY, server};
use super::scenes::{Opened, Scene};
use crate::support::html::{Piece, pieces};

/// The elements whose content is not text of the page: a tab's title, a form's value.
const EXEMPT: [&str; 2] = ["title", "textarea"];

/// Where a text of users stands outside `<bdi>`, and how many of `texts` stand alone inside one.
fn judge<T: AsRef<str>>(html: &str, texts: &[T]) -> (Vec<String>, usize) {
    let mut open: Vec<String> = Vec::new();
    let mut bare = Vec::new();
    let mut isolated = vec![false; texts.len()];
    for piece in pieces(html) {
        match piece {
            Piece::Open(tag) if tag.is_void() => {}
            Piece::Open(tag) => open.push(tag.name),
            Piece::Close(name) => assert_eq!(open.pop(), Some(name), "{html}"),
            Piece::Text(text) => {
                let is_in = |names: &[&str]| open.iter().any(|name| names.contains(&name.as_str()));
                for (user_text, isolated) in texts.iter().zip(&mut isolated) {
                    let user_text = user_text.as_ref();
                    *isolated |= is_in(&["bdi"]) && text == user_text;
                    if text.contains(user_text) && !is_in(&["bdi"]) && !is_in(&EXEMPT) {
                        bare.push(format!("{text:?} in {open:?}"));
                    }
                }
            }
        }
    }
    (bare, isolated.iter().filter(|isolated| **isolated).count())
}

#[tokio::test]
async fn c08_h06_text_of_users_is_isolated_on_every_page() {
    let server = server().await;
    for scene in Scene::ALL {
        let Opened { page, texts, .. } = scene.open(&server).await;
        let (bare, isolated) = judge(&page.text, &texts);
        assert_eq!(bare, Vec::<String>::new(), "{scene:?}");
        assert_eq!(isolated, texts.len(), "{scene:?} shows {texts:?}:\n{}", page.text);
        // Texts of users that this test did not expect there.
        let (bare, _) = judge(&page.text, &[LABEL, PASSKEY, "@mail.example"]);
        assert_eq!(bare, Vec::<String>::new(), "{scene:?}");
    }
}

#[tokio::test]
async fn c08_f20_text_of_users_is_isolated_in_every_e_mail() {
    let server = server().await;
    for scene in [Scene::Mailbox, Scene::SecurityWithPasskeys, Scene::EmailCode] {
        scene.open(&server).await;
    }
    let mails = server.app.mailbox().unwrap();
    let named: Vec<_> = mails.iter().filter(|mail| mail.text.contains(LABEL)).collect();
    assert!(!named.is_empty());
    for mail in named {
        let isolated = format!("\u{2068}{LABEL}\u{2069}");
        assert_eq!(
            mail.text.matches(&isolated).count(),
            mail.text.matches(LABEL).count()
        );
        assert!(!mail.html.contains(['\u{2068}', '\u{2069}']), "{}", mail.html);
        assert_eq!(judge(&mail.html, &[LABEL]), (Vec::new(), 1), "{}", mail.html);
    }
}

/// The check finds a text that is not isolated.
#[test]
fn a_bare_text_is_found() {
    let is_bare = |html: &str| !judge(html, &["<b>"]).0.is_empty();
    assert!(is_bare("<p>&#60;b&#62;</p>"));
    assert!(is_bare("<p><bdi>x</bdi> &#60;b&#62;</p>"));
    let isolated = "<title>&#60;b&#62;</title><p title=\"&#60;b&#62;\"><bdi>&#60;b&#62;</bdi></p>";
    assert_eq!(judge(isolated, &["<b>"]), (Vec::new(), 1));
}
