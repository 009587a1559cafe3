//! A page as it is answered, and the layout around what it says.
//!
//! A page is an askama template that extends `base.html` and has a field `layout`; [`Page`] makes the answer
//! of it. The headers that belong to pages are added to every HTML answer by [`super::headers`].

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use tm_auth_core::Account;
use tm_auth_proto::Environment;

use super::static_files;
use crate::app::App;
use crate::error::ApiError;

/// A rendered template.
pub(crate) struct Page<T>(pub(crate) T);

impl<T: Template> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        match self.0.render() {
            Ok(html) => Html(html).into_response(),
            Err(error) => ApiError::internal(error).into_response(),
        }
    }
}

/// What is around every page: title, navigation, who is signed in, a word about what was just done.
pub(crate) struct Layout {
    pub(crate) title: String,
    pub(crate) environment: Environment,
    pub(crate) user: Option<User>,
    pub(crate) section: Option<Section>,
    pub(crate) notice: Option<Notice>,
    pub(crate) scripts: Vec<&'static str>,
    pub(crate) width: &'static str,
}

/// Who is signed in, as the layout shows it.
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) csrf: String,
}

/// What the navigation leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    ApiKeys,
    Security,
    Activity,
}

impl Section {
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::ApiKeys => "/api-keys",
            Self::Security => "/security",
            Self::Activity => "/activity",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ApiKeys => "API keys",
            Self::Security => "Security",
            Self::Activity => "Activity",
        }
    }
}

/// One sentence above a page.
pub(crate) struct Notice {
    pub(crate) tone: Tone,
    pub(crate) text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Done,
    Warning,
    Problem,
}

impl Tone {
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Done => "ok",
            Self::Warning => "warn",
            Self::Problem => "bad",
        }
    }

    /// How a screen reader takes it: what went wrong interrupts.
    pub(crate) fn role(self) -> &'static str {
        match self {
            Self::Done | Self::Warning => "status",
            Self::Problem => "alert",
        }
    }
}

impl Layout {
    pub(crate) fn new(app: &App, title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            environment: app.config.environment,
            user: None,
            section: None,
            notice: None,
            scripts: Vec::new(),
            width: "",
        }
    }

    /// With navigation, the account's name and the way out.
    pub(crate) fn signed_in(mut self, account: &Account, csrf: &str) -> Self {
        self.user = Some(User {
            name: account_name(account),
            csrf: csrf.to_owned(),
        });
        self
    }

    /// The entry of the navigation that the page belongs to.
    pub(crate) fn section(mut self, section: Section) -> Self {
        self.section = Some(section);
        self
    }

    pub(crate) fn notice(mut self, tone: Tone, text: impl Into<String>) -> Self {
        self.notice = Some(Notice {
            tone,
            text: text.into(),
        });
        self
    }

    /// An ES module of `static/`.
    pub(crate) fn script(mut self, name: &'static str) -> Self {
        self.scripts.push(name);
        self
    }

    /// For a single form, such as a sign-in.
    pub(crate) fn narrow(mut self) -> Self {
        self.width = "narrow";
        self
    }

    /// As wide as it may be, which a page is unless it says otherwise.
    pub(crate) fn wide(mut self) -> Self {
        self.width = "";
        self
    }

    /// For text and forms.
    pub(crate) fn middle(mut self) -> Self {
        self.width = "middle";
        self
    }

    /// What forms carry in their hidden field `csrf`; empty where nobody is signed in.
    pub(crate) fn csrf(&self) -> &str {
        self.user.as_ref().map_or("", |user| &user.csrf)
    }

    pub(crate) fn is_uat(&self) -> bool {
        self.environment == Environment::Uat
    }

    /// Where a static file is.
    #[allow(clippy::unused_self, reason = "templates reach it through their layout")]
    pub(crate) fn asset(&self, name: &str) -> String {
        static_files::url(name)
    }

    #[allow(clippy::unused_self, reason = "templates reach it through their layout")]
    pub(crate) fn sections(&self) -> [Section; 3] {
        [Section::ApiKeys, Section::Security, Section::Activity]
    }

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "as templates call it")]
    pub(crate) fn is_in(&self, section: &Section) -> bool {
        self.section == Some(*section)
    }
}

/// What an account is called where it is shown to its owner.
pub(crate) fn account_name(account: &Account) -> String {
    account.email.clone().unwrap_or_else(|| {
        let uid = account.uid.to_string();
        format!("Account {}", &uid[..8])
    })
}
