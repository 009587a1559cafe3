//! Every page in its states, and how a browser gets there.

use tm_auth_core::user::AuthMethod;
use tm_auth_store::{AppleSubject, AuditContext};

use super::super::apple::account_with;
use super::fixtures::{DEVICE, LABEL, PASSKEY, labelled_key, new_email, passkey, pending_key};
use crate::support::{Answer, TestKey, TestServer, Visitor};

/// A state of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scene {
    Login,
    LoginRefused,
    LoginAgain,
    Code,
    CodeRefused,
    CodeExpired,
    Link,
    LinkElsewhere,
    NotFound,
    Mailbox,
    NoKeys,
    Keys,
    NewKey,
    NewKeyRefused,
    KeyProof,
    KeyProofRefused,
    ActiveKey,
    DisabledKey,
    PendingKey,
    RevokedKey,
    EditKey,
    EditKeyRefused,
    RevokeKey,
    Activity,
    SecurityWithoutLoginMethod,
    SecurityWithEmail,
    SecurityWithPasskeys,
    SecurityAfterFiveMinutes,
    SecurityLostPasskey,
    SecurityRecovering,
    SecurityRecovered,
    SecurityWithApple,
    EmailCode,
    EmailCodeRefused,
    EmailCodeExpired,
    EmailLink,
    EmailLinkElsewhere,
    Delete,
    DeleteRefused,
    DeleteAfterFiveMinutes,
}

/// An opened page.
pub(super) struct Opened<'a> {
    pub(super) browser: Visitor<'a>,
    /// The page's own URL.
    pub(super) path: String,
    pub(super) page: Answer,
    /// The texts of users that the page shows.
    pub(super) texts: Vec<String>,
}

impl Scene {
    pub(super) const ALL: [Self; 40] = [
        Self::Login,
        Self::LoginRefused,
        Self::LoginAgain,
        Self::Code,
        Self::CodeRefused,
        Self::CodeExpired,
        Self::Link,
        Self::LinkElsewhere,
        Self::NotFound,
        Self::Mailbox,
        Self::NoKeys,
        Self::Keys,
        Self::NewKey,
        Self::NewKeyRefused,
        Self::KeyProof,
        Self::KeyProofRefused,
        Self::ActiveKey,
        Self::DisabledKey,
        Self::PendingKey,
        Self::RevokedKey,
        Self::EditKey,
        Self::EditKeyRefused,
        Self::RevokeKey,
        Self::Activity,
        Self::SecurityWithoutLoginMethod,
        Self::SecurityWithEmail,
        Self::SecurityWithPasskeys,
        Self::SecurityAfterFiveMinutes,
        Self::SecurityLostPasskey,
        Self::SecurityRecovering,
        Self::SecurityRecovered,
        Self::SecurityWithApple,
        Self::EmailCode,
        Self::EmailCodeRefused,
        Self::EmailCodeExpired,
        Self::EmailLink,
        Self::EmailLinkElsewhere,
        Self::Delete,
        Self::DeleteRefused,
        Self::DeleteAfterFiveMinutes,
    ];

    /// Brings a browser into this state, each time with a new account.
    pub(super) async fn open(self, server: &TestServer) -> Opened<'_> {
        match self {
            Self::Login
            | Self::LoginRefused
            | Self::LoginAgain
            | Self::Code
            | Self::CodeRefused
            | Self::CodeExpired
            | Self::Link
            | Self::LinkElsewhere
            | Self::NotFound
            | Self::Mailbox => self.open_login(server).await,
            Self::NoKeys
            | Self::Keys
            | Self::NewKey
            | Self::NewKeyRefused
            | Self::KeyProof
            | Self::KeyProofRefused
            | Self::ActiveKey
            | Self::DisabledKey
            | Self::PendingKey
            | Self::RevokedKey
            | Self::EditKey
            | Self::EditKeyRefused
            | Self::RevokeKey
            | Self::Activity => self.open_keys(server).await,
            Self::EmailCode
            | Self::EmailCodeRefused
            | Self::EmailCodeExpired
            | Self::EmailLink
            | Self::EmailLinkElsewhere => self.open_email(server).await,
            _ => self.open_security(server).await,
        }
    }

    async fn open_login(self, server: &TestServer) -> Opened<'_> {
        let email = new_email();
        let mut browser = server.visitor();
        let texts: Vec<String> = match self {
            Self::Code | Self::CodeRefused | Self::Link => vec![email.clone()],
            _ => Vec::new(),
        };
        if !matches!(self, Self::Login | Self::LoginRefused | Self::LoginAgain) {
            let fields = [("email", email.as_str()), ("next", "/security")];
            assert_eq!(browser.submit("/sign-in", &fields).await.status, 303);
        }
        match self {
            Self::Login => get(browser, "/sign-in?next=/security", texts).await,
            Self::LoginRefused => {
                let fields = [("email", "nonsense"), ("next", "/security")];
                post(browser, "/sign-in", &fields, texts).await
            }
            Self::LoginAgain => {
                let account = account_with(server, &email).await;
                passkey(server, &account, 1).await;
                let browser = server.signed_in(&account, AuthMethod::EmailCode).await;
                get(browser, "/sign-in?next=/security", texts).await
            }
            Self::Code => get(browser, "/sign-in/code", texts).await,
            Self::CodeRefused => post(browser, "/sign-in/code", &[("code", "x")], texts).await,
            Self::CodeExpired => {
                server.advance(601);
                get(browser, "/sign-in/code", texts).await
            }
            Self::Link => get(browser, "/sign-in/link", texts).await,
            Self::LinkElsewhere => get(server.visitor(), "/sign-in/link", texts).await,
            Self::NotFound => get(server.visitor(), "/nowhere", texts).await,
            Self::Mailbox => {
                let account = account_with(server, &email).await;
                labelled_key(server, &account).await;
                get(server.visitor(), "/mailbox", vec![email, LABEL.to_owned()]).await
            }
            _ => unreachable!("{self:?}"),
        }
    }

    async fn open_keys(self, server: &TestServer) -> Opened<'_> {
        let email = new_email();
        let account = account_with(server, &email).await;
        let mut browser = server.signed_in(&account, AuthMethod::Passkey).await;
        let mut texts = vec![email];
        let key = TestKey::unregistered(&account);
        let public_key = key.signer.public_key_pem().unwrap();
        let settings = [("label", LABEL), ("read", "on"), ("public_key", &public_key)];
        match self {
            Self::NoKeys => return get(browser, "/api-keys", texts).await,
            Self::NewKey => return get(browser, "/api-keys/new", texts).await,
            Self::NewKeyRefused => {
                return post(browser, "/api-keys/new", &settings[..2], texts).await;
            }
            Self::KeyProof => {
                texts.push(LABEL.to_owned());
                return post(browser, "/api-keys/new", &settings, texts).await;
            }
            Self::KeyProofRefused => {
                texts.push(LABEL.to_owned());
                let now = server.now().as_second().to_string();
                let signature = key.sign("another text");
                let proof = [("timestamp", now.as_str()), ("signature", &signature)];
                let fields = [&settings[..], &proof].concat();
                return post(browser, "/api-keys/new/proof", &fields, texts).await;
            }
            _ => {}
        }
        texts.push(LABEL.to_owned());
        let key = match self {
            Self::PendingKey => pending_key(server, &account).await,
            _ => labelled_key(server, &account).await,
        };
        let key = format!("/api-keys/{}", key.id());
        match self {
            Self::DisabledKey => {
                browser.submit(&format!("{key}/disable"), &[]).await;
            }
            Self::RevokedKey => {
                browser.submit(&format!("{key}/revoke"), &[]).await;
            }
            _ => {}
        }
        match self {
            Self::Keys => get(browser, "/api-keys", texts).await,
            Self::Activity => get(browser, "/activity", texts).await,
            Self::EditKey => get(browser, &format!("{key}/edit"), texts).await,
            Self::EditKeyRefused => post(browser, &format!("{key}/edit"), &[("label", "x")], texts).await,
            Self::RevokeKey => get(browser, &format!("{key}/revoke"), texts).await,
            _ => get(browser, &key, texts).await,
        }
    }

    async fn open_email(self, server: &TestServer) -> Opened<'_> {
        let (email, new) = (new_email(), new_email());
        let account = account_with(server, &email).await;
        let mut browser = server.signed_in(&account, AuthMethod::EmailCode).await;
        let asked = browser.submit("/security/email", &[("email", &new)]).await;
        assert_eq!(asked.location(), "/security/email/code");
        let texts = vec![email, new];
        match self {
            Self::EmailCode => get(browser, "/security/email/code", texts).await,
            Self::EmailCodeRefused => post(browser, "/security/email/code", &[("code", "x")], texts).await,
            Self::EmailCodeExpired => {
                server.advance(601);
                get(browser, "/security/email/code", texts[..1].to_vec()).await
            }
            Self::EmailLink => get(browser, "/security/email/link", texts).await,
            Self::EmailLinkElsewhere => get(server.visitor(), "/security/email/link", Vec::new()).await,
            _ => unreachable!("{self:?}"),
        }
    }

    async fn open_security(self, server: &TestServer) -> Opened<'_> {
        if self == Self::SecurityWithoutLoginMethod {
            let account = server.account().await;
            let contact = new_email();
            let set = server.store.set_contact_email(account.uid, Some(contact.clone()));
            set.await.unwrap();
            let browser = server.signed_in(&account, AuthMethod::Apple).await;
            return get(browser, "/security", vec![contact, DEVICE.to_owned()]).await;
        }
        let email = new_email();
        let account = account_with(server, &email).await;
        let mut texts = vec![email];
        let has_passkeys = matches!(
            self,
            Self::SecurityWithPasskeys
                | Self::SecurityLostPasskey
                | Self::SecurityRecovering
                | Self::SecurityRecovered
        );
        if has_passkeys {
            texts.push(PASSKEY.to_owned());
            for number in [1, 2] {
                passkey(server, &account, number).await;
            }
        }
        // The account has another session in another browser.
        server.signed_in(&account, AuthMethod::EmailCode).await;
        let method = match self {
            Self::SecurityWithPasskeys => AuthMethod::Passkey,
            _ => AuthMethod::EmailCode,
        };
        let mut browser = server.signed_in(&account, method).await;
        match self {
            Self::SecurityRecovering => {
                browser.submit("/recovery/start", &[]).await;
            }
            Self::SecurityRecovered => {
                browser.submit("/recovery/start", &[]).await;
                server.advance(24 * 3600);
                browser = server.signed_in(&account, method).await;
            }
            Self::SecurityWithApple => {
                let subject = AppleSubject {
                    iss: "https://appleid.apple.test".to_owned(),
                    sub: account.uid.to_string(),
                    email: Some(format!("apple-{}", texts[0]).parse().unwrap()),
                    private_relay: false,
                };
                texts.push(format!("apple-{}", texts[0]));
                let audit_context = AuditContext::service(server.now());
                let linked = server.store.link_apple(account.uid, subject, &audit_context);
                linked.await.unwrap().unwrap();
            }
            Self::SecurityAfterFiveMinutes | Self::DeleteAfterFiveMinutes => server.advance(301),
            _ => {}
        }
        match self {
            Self::Delete | Self::DeleteAfterFiveMinutes => get(browser, "/security/delete", texts).await,
            Self::DeleteRefused => post(browser, "/security/delete", &[("name", "x")], texts).await,
            _ => {
                texts.push(DEVICE.to_owned());
                get(browser, "/security", texts).await
            }
        }
    }
}

async fn get<'a>(mut browser: Visitor<'a>, path: &str, texts: Vec<String>) -> Opened<'a> {
    let page = browser.get(path).await;
    opened(browser, path, page, texts)
}

async fn post<'a>(
    mut browser: Visitor<'a>,
    path: &str,
    fields: &[(&str, &str)],
    texts: Vec<String>,
) -> Opened<'a> {
    let page = browser.submit(path, fields).await;
    opened(browser, path, page, texts)
}

fn opened<'a>(browser: Visitor<'a>, path: &str, page: Answer, texts: Vec<String>) -> Opened<'a> {
    assert!(
        page.header("content-type").starts_with("text/html"),
        "{path}: {page:?}"
    );
    assert!([200, 400, 404].contains(&page.status), "{path}: {page:?}");
    let path = path.to_owned();
    Opened {
        browser,
        path,
        page,
        texts,
    }
}
