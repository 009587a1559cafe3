//! The response of a page, and the layout around its content.
//!
//! A page is an askama template that extends `base.html` and has a field `layout`. [`Page`] renders
//! it into the response. [`super::headers`] adds the headers of pages to every HTML response.

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

/// The parts around every page's content: title, navigation, user menu, notice.
pub(crate) struct Layout {
    pub(crate) title: String,
    pub(crate) environment: Environment,
    pub(crate) user: Option<User>,
    pub(crate) section: Option<Section>,
    pub(crate) notice: Option<Notice>,
    pub(crate) scripts: Vec<&'static str>,
    pub(crate) width: &'static str,
}

/// The logged-in user, as the layout shows them.
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) csrf: String,
}

/// The sections of the navigation.
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

/// A message above a page's content.
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

    /// The ARIA role: a screen reader announces problems at once.
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

    /// Adds the navigation, the account's name and the logout form.
    pub(crate) fn signed_in(mut self, account: &Account, csrf: &str) -> Self {
        self.user = Some(User {
            name: account_name(account),
            csrf: csrf.to_owned(),
        });
        self
    }

    /// Marks the section of the navigation that the page belongs to.
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

    /// Loads an ES module of `static/`.
    pub(crate) fn script(mut self, name: &'static str) -> Self {
        self.scripts.push(name);
        self
    }

    /// The width for a single form, such as the login.
    pub(crate) fn narrow(mut self) -> Self {
        self.width = "narrow";
        self
    }

    /// The full width, which is the default.
    pub(crate) fn wide(mut self) -> Self {
        self.width = "";
        self
    }

    /// The width for text and forms.
    pub(crate) fn middle(mut self) -> Self {
        self.width = "middle";
        self
    }

    /// The value of the forms' hidden field `csrf`; empty if no user is logged in.
    pub(crate) fn csrf(&self) -> &str {
        self.user.as_ref().map_or("", |user| &user.csrf)
    }

    pub(crate) fn is_uat(&self) -> bool {
        self.environment == Environment::Uat
    }

    /// The URL of a static file.
    #[allow(clippy::unused_self, reason = "templates call it on their layout")]
    pub(crate) fn asset(&self, name: &str) -> String {
        static_files::url(name)
    }

    #[allow(clippy::unused_self, reason = "templates call it on their layout")]
    pub(crate) fn sections(&self) -> [Section; 3] {
        [Section::ApiKeys, Section::Security, Section::Activity]
    }

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "as templates call it")]
    pub(crate) fn is_in(&self, section: &Section) -> bool {
        self.section == Some(*section)
    }
}

/// The name under which pages show an account to its owner.
pub(crate) fn account_name(account: &Account) -> String {
    account.email.clone().unwrap_or_else(|| {
        let uid = account.uid.to_string();
        format!("Account {}", &uid[..8])
    })
}
