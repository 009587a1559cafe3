//! Virtual authenticators of Chromium.

use serde_json::{Value, json};

use super::Browser;

/// A virtual authenticator that stores passkeys and verifies its user.
#[derive(Clone, Debug)]
pub(crate) struct Authenticator(String);

impl Browser {
    /// Adds an authenticator that is part of the device.
    pub(crate) async fn plug_in(&self) -> Authenticator {
        self.plug_in_via("internal").await
    }

    /// Adds an authenticator with this transport, such as `usb` or `nfc`.
    pub(crate) async fn plug_in_via(&self, transport: &str) -> Authenticator {
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
        Authenticator(
            added["authenticatorId"]
                .as_str()
                .expect("Chromium names the authenticator")
                .to_owned(),
        )
    }

    /// Removes an authenticator with its passkeys.
    pub(crate) async fn lose(&self, authenticator: Authenticator) {
        let id = json!({ "authenticatorId": authenticator.0 });
        self.cdp("WebAuthn.removeVirtualAuthenticator", id).await;
    }

    /// The passkeys on an authenticator.
    pub(crate) async fn passkeys_on(&self, authenticator: &Authenticator) -> Vec<Value> {
        let id = json!({ "authenticatorId": authenticator.0 });
        let answer = self.cdp("WebAuthn.getCredentials", id).await;
        answer["credentials"].as_array().cloned().unwrap_or_default()
    }

    /// Logs in with the button of the login page. Disables the page's conditional ceremony this one
    /// time, since it would use a passkey that needs no touch before the button is pressed.
    pub(crate) async fn sign_in_by_button(&self) {
        let unavailable = "PublicKeyCredential.isConditionalMediationAvailable = async () => false;";
        let script = json!({ "source": unavailable });
        let added = self.cdp("Page.addScriptToEvaluateOnNewDocument", script).await;
        self.open("/sign-in").await;
        self.cdp("Page.removeScriptToEvaluateOnNewDocument", added).await;
        self.press("Log in with a passkey").await;
    }

    /// Sets whether the authenticator is touched automatically. If not, ceremonies wait.
    pub(crate) async fn set_automatic_touch(&self, authenticator: &Authenticator, enabled: bool) {
        let presence = json!({ "authenticatorId": authenticator.0, "enabled": enabled });
        self.cdp("WebAuthn.setAutomaticPresenceSimulation", presence)
            .await;
    }
}
