//! Steps of a user on the Security page.

use super::Browser;

impl Browser {
    /// Adds a passkey with this name on the authenticator that is plugged in.
    pub(crate) async fn add_passkey(&self, name: &str) {
        self.open("/security").await;
        self.fill("Name of the new passkey", name).await;
        self.press("Add a passkey").await;
        self.see(name).await;
    }

    /// Confirms the session by logging in again with a passkey.
    pub(crate) async fn confirm_by_passkey(&self) {
        self.open("/security").await;
        self.press("Confirm").await;
        self.press("Log in with a passkey").await;
        self.arrive("/security").await;
        self.see_no_more("confirm with your passkey").await;
    }

    /// Starts a recovery. The browser must have logged in by e-mail.
    pub(crate) async fn start_recovery(&self) {
        self.open("/security").await;
        self.press("Lost your passkey?").await;
        self.press("Start a recovery").await;
        self.see("Cancel the recovery").await;
    }

    /// Deletes the account. The user confirms this by typing the account's name.
    pub(crate) async fn delete_account(&self, name: &str) {
        self.open("/security/delete").await;
        self.fill("Type", name).await;
        self.press("Delete the account").await;
        self.arrive("/sign-in").await;
    }
}
