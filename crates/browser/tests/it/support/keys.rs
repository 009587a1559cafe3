//! Steps of a user on the API Keys page.

use std::path::{Path, PathBuf};

use super::Browser;
use super::sdk::shell;

impl Browser {
    /// Creates a key in the browser, downloads its file and activates it.
    pub(crate) async fn create_key(&self, name: &str) -> PathBuf {
        self.open("/api-keys/new").await;
        self.fill("Name", name).await;
        self.press("Create the key here").await;
        self.see("Save the key file now").await;
        self.press("Download the key file").await;
        let file = self.downloaded().await;
        self.choose("I have saved the file").await;
        self.press("Activate the key").await;
        self.see("The key is active").await;
        file
    }

    /// Registers a public key. Runs the command that the page shows for `tool` in `folder`, to sign
    /// the proof of possession.
    pub(crate) async fn register_key(&self, name: &str, public_key: &str, tool: &str, folder: &Path) {
        self.open("/api-keys/new").await;
        self.fill("Name", name).await;
        self.fill("Public key", public_key).await;
        self.press("Continue").await;
        self.see("Prove possession of the key").await;
        let command = format!("//p[contains(., '{tool}')]/following-sibling::*[1][self::div]//code");
        let command = self.find(&command).await.text().await.expect("a command");
        let signature = shell(folder, &command);
        self.fill("Signature", signature.trim()).await;
        self.press("Register the key").await;
        self.see_no_more("Prove possession of the key").await;
    }

    /// Revokes the key that the browser shows.
    pub(crate) async fn revoke_key(&self) {
        self.press("Revoke…").await;
        self.see("their requests for new tokens are refused").await;
        self.press("Revoke this key").await;
        self.see_no_more("their requests for new tokens are refused")
            .await;
    }
}
