//! Authenticators that Chromium simulates, so that nobody has to touch one.

use serde_json::{Value, json};

use super::Browser;

/// A device that holds passkeys and says that its owner proved to be there.
#[derive(Clone, Debug)]
pub(crate) struct Authenticator(String);

impl Browser {
    /// One that is part of the device.
    pub(crate) async fn plug_in(&self) -> Authenticator {
        self.plug_in_by("internal").await
    }

    /// One by `usb`, `nfc` or another way.
    pub(crate) async fn plug_in_by(&self, transport: &str) -> Authenticator {
        self.cdp("WebAuthn.enable", json!({ "enableUI": false })).await;
        let options = json!({
            "protocol": "ctap2",
            "ctap2Version": "ctap2_1",
            "transport": transport,
            "hasResidentKey": true,
            "hasUserVerification": true,
            "isUserVerified": true,
            "automaticPresenceSimulation": true,
            "defaultBackupEligibility": true,
            "defaultBackupState": true,
        });
        let added = self
            .cdp("WebAuthn.addVirtualAuthenticator", json!({ "options": options }))
            .await;
        Authenticator(added["authenticatorId"].as_str().expect("an id").to_owned())
    }

    /// Takes it away, and what is on it: a lost passkey.
    pub(crate) async fn lose(&self, authenticator: Authenticator) {
        let id = json!({ "authenticatorId": authenticator.0 });
        self.cdp("WebAuthn.removeVirtualAuthenticator", id).await;
    }

    /// What is on it.
    pub(crate) async fn passkeys_on(&self, authenticator: &Authenticator) -> Vec<Value> {
        let id = json!({ "authenticatorId": authenticator.0 });
        let answer = self.cdp("WebAuthn.getCredentials", id).await;
        answer["credentials"].as_array().cloned().unwrap_or_default()
    }

    /// Presses the sign-in page's button. The page offers passkeys in its field as well, where one that needs no touch
    /// would be taken by itself, before the button or instead of it: so nothing is offered this once.
    pub(crate) async fn sign_in_by_button(&self) {
        let nothing = "PublicKeyCredential.isConditionalMediationAvailable = async () => false;";
        let script = json!({ "source": nothing });
        let added = self.cdp("Page.addScriptToEvaluateOnNewDocument", script).await;
        self.open("/sign-in").await;
        self.cdp("Page.removeScriptToEvaluateOnNewDocument", added).await;
        self.press("Log in with a passkey").await;
    }

    /// Whether its owner is there: where not, ceremonies wait.
    pub(crate) async fn touch_by_itself(&self, authenticator: &Authenticator, enabled: bool) {
        let set = json!({ "authenticatorId": authenticator.0, "enabled": enabled });
        self.cdp("WebAuthn.setAutomaticPresenceSimulation", set).await;
    }
}
