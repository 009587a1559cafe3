//! Steps on the login page.

use super::{Authenticator, Browser, Service};

impl Browser {
    /// Signs up with a passkey on the authenticator that is plugged in.
    pub(crate) async fn sign_up_by_passkey(&self, name: &str) {
        self.open("/sign-in").await;
        self.fill("Your name", name).await;
        self.press("Create an account with a passkey").await;
        self.arrive("/api-keys").await;
    }

    /// Requests a mail with a code and a link.
    pub(crate) async fn ask_for_mail(&self, address: &str) {
        self.open("/sign-in").await;
        self.fill("E-mail address", address).await;
        self.press("E-mail me a code").await;
        self.see("Enter the code").await;
    }

    /// Logs in or signs up with the code of a mail.
    pub(crate) async fn sign_in_by_code(&self, service: &Service, address: &str) {
        let before = service.mails(address).len();
        self.ask_for_mail(address).await;
        let code = service.next_mail(address, before).await.code();
        self.fill("Code", &code).await;
        self.press("Log in").await;
        self.arrive("/api-keys").await;
    }

    /// Logs in or signs up with the link of a mail.
    pub(crate) async fn sign_in_by_link(&self, service: &Service, address: &str) {
        let before = service.mails(address).len();
        self.ask_for_mail(address).await;
        let link = service.next_mail(address, before).await.link();
        self.visit(&link).await;
        self.see(&format!("Log in as {address}?")).await;
        self.press("Log in").await;
        self.arrive("/api-keys").await;
    }

    /// Logs in or signs up as a user of the Apple provider.
    pub(crate) async fn sign_in_by_apple(&self, user: &str) {
        self.open("/sign-in").await;
        self.press("Continue with Apple").await;
        self.press(user).await;
        self.arrive("/api-keys").await;
    }

    pub(crate) async fn sign_out(&self) {
        self.press_sign_out().await;
        self.arrive("/sign-in").await;
    }

    /// Presses the button without waiting for the login page: if a passkey needs no touch, that page
    /// logs in again at once.
    pub(crate) async fn press_sign_out(&self) {
        let menu = self.find("//details[contains(@class, 'account')]/summary").await;
        menu.click().await.expect("the account menu opens");
        self.press("Log out").await;
    }

    /// Logs out after disabling the authenticator, which the login page would use without a click.
    pub(crate) async fn sign_out_with(&self, authenticator: &Authenticator) {
        self.set_automatic_touch(authenticator, false).await;
        self.sign_out().await;
    }

    /// The name of the account that the page shows.
    pub(crate) async fn signed_in_as(&self) -> String {
        let menu = self.find("//details[contains(@class, 'account')]/summary").await;
        menu.text().await.expect("the menu shows a name")
    }
}
