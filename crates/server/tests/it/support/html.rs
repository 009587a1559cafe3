//! Pages as a parser sees them, as far as this service writes HTML.

/// A piece of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Open(Tag),
    Close(String),
    Text(String),
}

/// A start tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
}

impl Tag {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut found = self.attributes.iter().filter(|(known, _)| known == name);
        found.next().map(|(_, value)| value.as_str())
    }

    /// Whether the element has no content and no end tag.
    pub(crate) fn is_void(&self) -> bool {
        ["!doctype", "br", "hr", "img", "input", "link", "meta"].contains(&self.name.as_str())
            || self.attributes.iter().any(|(name, _)| name == "/")
    }
}

/// Splits a page into tags and text. Attribute values have double quotes or none.
pub(crate) fn pieces(html: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = html;
    while let Some((text, tag_and_more)) = rest.split_once('<') {
        if !text.is_empty() {
            pieces.push(Piece::Text(unescape(text)));
        }
        let (tag, more) = tag(tag_and_more);
        pieces.push(tag);
        rest = more;
    }
    pieces.push(Piece::Text(unescape(rest)));
    pieces
}

/// Reads a tag after its `<`; returns what follows its `>` too.
fn tag(html: &str) -> (Piece, &str) {
    let end = html.find([' ', '\n', '>', '/']).filter(|end| *end > 0);
    if let Some(name) = html.strip_prefix('/') {
        let (name, more) = name.split_once('>').expect("an end tag ends");
        return (Piece::Close(name.to_ascii_lowercase()), more);
    }
    let (name, mut rest) = html.split_at(end.expect("a start tag ends"));
    let mut tag = Tag {
        name: name.to_ascii_lowercase(),
        attributes: Vec::new(),
    };
    loop {
        rest = rest.trim_start();
        if let Some(more) = rest.strip_prefix('>') {
            return (Piece::Open(tag), more);
        }
        if let Some(more) = rest.strip_prefix('/') {
            tag.attributes.push(("/".to_owned(), String::new()));
            rest = more;
            continue;
        }
        let end = rest.find(['=', ' ', '\n', '>', '/']).expect("a start tag ends");
        let (name, more) = rest.split_at(end);
        let (value, more) = match more.strip_prefix('=') {
            None => ("", more),
            Some(more) => match more.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').expect("a value ends"),
                None => more.split_at(more.find([' ', '\n', '>']).expect("a start tag ends")),
            },
        };
        tag.attributes.push((name.to_ascii_lowercase(), unescape(value)));
        rest = more;
    }
}

/// Decodes numeric character references, and the named ones that templates have.
fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let (entity, more) = after.split_once(';').unwrap_or((after, ""));
        let number = entity.strip_prefix('#').and_then(|number| number.parse().ok());
        match (number.and_then(char::from_u32), entity) {
            (Some(c), _) => plain.push(c),
            (None, "amp") => plain.push('&'),
            (None, "lt") => plain.push('<'),
            (None, "gt") => plain.push('>'),
            (None, "quot") => plain.push('"'),
            (None, _) => panic!("an unknown character reference: &{entity};"),
        }
        rest = more;
    }
    plain + rest
}
