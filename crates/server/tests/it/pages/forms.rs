//! Every field of every form is one that its handler reads.
//!
//! 1. Every page is opened in every state. Each of its forms is posted with all its fields: every
//!    box is ticked, and a field that the user fills in has a plausible value.
//! 2. A handler refuses a field that it does not read, so no answer may be that refusal. That the
//!    handler does refuse one is checked for each form as well.
//! 3. Every form of the templates must have been found on a page.

use std::collections::BTreeSet;
use std::path::Path;

use reqwest::Method;
use serde_json::{Map, Value};

use super::fixtures::server;
use super::scenes::{Opened, Scene};
use crate::support::html::{Piece, Tag, pieces};
use crate::support::{Answer, TestServer, Visitor};

/// What the answer to an unread field says: of a form, and of JSON.
const UNREAD: [&str; 2] = ["unknown field", "unknown here"];

/// A form with its named fields.
#[derive(Clone, Debug)]
struct Form {
    tag: Tag,
    fields: Vec<(String, String)>,
}

impl Form {
    /// The forms of a page or a template.
    fn all_of(html: &str) -> Vec<Self> {
        let mut forms: Vec<Self> = Vec::new();
        let mut textarea: Option<(String, String)> = None;
        let mut is_open = false;
        for piece in pieces(html) {
            match piece {
                Piece::Open(tag) if tag.name == "form" => {
                    assert!(!is_open, "a form within a form: {html}");
                    is_open = true;
                    let fields = Vec::new();
                    forms.push(Self { tag, fields });
                }
                Piece::Close(name) if name == "form" => is_open = false,
                Piece::Open(tag) if is_open || tag.get("form").is_some() => {
                    assert_eq!(tag.get("form"), None, "a field outside its form: {tag:?}");
                    assert_ne!(tag.name, "select", "this test does not read {tag:?}");
                    let Some(name) = tag.get("name") else { continue };
                    let value = tag.get("value").unwrap_or_default();
                    match tag.name.as_str() {
                        "textarea" => textarea = Some((name.to_owned(), String::new())),
                        "input" | "button" => {
                            let value = filled_in(name, value, &tag);
                            forms.last_mut().unwrap().fields.push((name.to_owned(), value));
                        }
                        _ => panic!("a named element that is not a field: {tag:?}"),
                    }
                }
                Piece::Text(text) => {
                    if let Some((_, value)) = &mut textarea {
                        value.push_str(&text);
                    }
                }
                Piece::Close(name) if name == "textarea" && is_open => {
                    forms.last_mut().unwrap().fields.extend(textarea.take());
                }
                _ => {}
            }
        }
        forms
    }

    fn names(&self) -> BTreeSet<&str> {
        self.fields.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// The ceremony, of a form that passkey.js sends.
    fn ceremony(&self) -> Option<&str> {
        self.tag.get("data-passkey")
    }

    /// What the form is, whichever key it is about.
    fn kind(&self) -> String {
        let id = |part: &&str| part.len() == 36 && part.matches('-').count() == 4;
        let action = self.tag.get("action").unwrap_or("its own page");
        let action: Vec<&str> = action
            .split('/')
            .map(|part| if id(&part) { "*" } else { part })
            .collect();
        self.ceremony()
            .map_or_else(|| action.join("/"), |ceremony| format!("data-passkey={ceremony}"))
    }

    /// Sends it as the page would, with more fields.
    async fn send(&self, opened: &mut Opened<'_>, more: &[(&str, &str)]) -> Answer {
        let own = self
            .fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let fields: Vec<_> = own.chain(more.iter().copied()).collect();
        if let Some(ceremony) = self.ceremony() {
            let path = format!("/passkeys/{ceremony}/options");
            return self.run_ceremony(&mut opened.browser, &path, &fields).await;
        }
        assert_eq!(self.tag.get("method"), Some("post"), "{self:?}");
        let path = self.tag.get("action").unwrap_or(&opened.path).to_owned();
        opened.browser.submit_exactly(&path, &fields).await
    }

    /// As passkey.js does: it sends the fields of the forms that create a passkey, and of no other.
    async fn run_ceremony(&self, browser: &mut Visitor<'_>, path: &str, fields: &[(&str, &str)]) -> Answer {
        let creates = ["sign-up", "add"].iter().any(|purpose| path.contains(purpose));
        assert!(
            creates || self.fields.is_empty(),
            "fields that the script does not send: {self:?}"
        );
        let fields: Map<String, Value> = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).into()))
            .collect();
        browser.call(Method::POST, path, Some(&fields.into())).await
    }
}

/// What a user would leave or write in a field.
fn filled_in(name: &str, value: &str, tag: &Tag) -> String {
    let default = match (tag.get("type").unwrap_or("text"), name) {
        ("checkbox", _) => "on",
        ("email", _) => "new@mail.example",
        (_, "code") => "1234-5678",
        (_, "name" | "display_name" | "label") => "a name",
        _ => "",
    };
    if value.is_empty() { default } else { value }.to_owned()
}

fn is_unread(answer: &Answer) -> bool {
    [400, 422].contains(&answer.status) && UNREAD.iter().any(|unread| answer.text.contains(unread))
}

/// Posts a form in a state of its own. Returns what is wrong with it.
async fn judge(server: &TestServer, scene: Scene, index: usize) -> Option<String> {
    let mut opened = scene.open(server).await;
    let form = Form::all_of(&opened.page.text).swap_remove(index);
    let name = format!("{scene:?}: {}", form.kind());
    if form
        .ceremony()
        .is_none_or(|ceremony| ["sign-up", "add"].contains(&ceremony))
    {
        let answer = form.send(&mut opened, &[("unread", "x")]).await;
        if !is_unread(&answer) {
            return Some(format!("{name} takes a field that it does not read: {answer:?}"));
        }
    }
    let answer = form.send(&mut opened, &[]).await;
    if is_unread(&answer) || answer.status >= 500 {
        return Some(format!(
            "{name} does not read one of {:?}: {answer:?}",
            form.names()
        ));
    }
    None
}

#[tokio::test]
async fn h03_every_field_of_every_form_is_read() {
    let server = server().await;
    let mut found: Vec<Form> = Vec::new();
    let mut wrong = Vec::new();
    for scene in Scene::ALL {
        let page = scene.open(&server).await.page.text;
        for (index, form) in Form::all_of(&page).into_iter().enumerate() {
            let same = |other: &Form| other.kind() == form.kind() && other.names() == form.names();
            if !found.iter().any(same) {
                found.push(form);
                wrong.extend(judge(&server, scene, index).await);
            }
        }
    }
    for (file, form) in forms_of_templates() {
        // `*` stands for a name from an expression, which matches any name.
        let names: BTreeSet<&str> = form.names().into_iter().filter(|name| *name != "*").collect();
        let is_shown = |shown: &&Form| shown.kind() == form.kind() && shown.names().is_superset(&names);
        if found.iter().find(is_shown).is_none() {
            wrong.push(format!(
                "no page of this test has the form {} of {file} with {names:?}",
                form.kind()
            ));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// The forms of the templates, with `*` for each expression.
fn forms_of_templates() -> Vec<(String, Form)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut forms = Vec::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        if Path::new(&file)
            .extension()
            .is_some_and(|extension| extension == "html")
        {
            let forms_of_file = Form::all_of(&markup(&folder, &file));
            forms.extend(forms_of_file.into_iter().map(|form| (file.clone(), form)));
        }
    }
    assert!(forms.len() > 20, "{forms:?}");
    forms
}

/// A template as markup: with what it includes, every branch of its conditions, and `*` for each
/// expression.
fn markup(folder: &Path, file: &str) -> String {
    let source = std::fs::read_to_string(folder.join(file)).unwrap();
    let mut markup = String::new();
    let mut rest = source.as_str();
    while let Some(begin) = rest
        .find("{%")
        .into_iter()
        .chain(rest.find("{{"))
        .chain(rest.find("{#"))
        .min()
    {
        markup.push_str(&rest[..begin]);
        let end = match &rest[begin..begin + 2] {
            "{%" => "%}",
            "{{" => "}}",
            _ => "#}",
        };
        let (inside, after) = rest[begin + 2..].split_once(end).expect("it ends");
        match (end, inside.trim().strip_prefix("include ")) {
            ("}}", _) => markup.push('*'),
            ("%}", Some(included)) => {
                markup.push_str(&self::markup(folder, included.trim().trim_matches('"')));
            }
            _ => {}
        }
        rest = after;
    }
    markup + rest
}
