//! An issuer over HTTP. The tests hold its key, so they can sign tokens that the service would never
//! sign.

use axum::Router;
use axum::routing::get;
use serde_json::Value;
use tm_auth_proto::Environment;
use tm_auth_proto::claims::ACCESS_TOKEN_TYP;
use tm_auth_verifier::testing::{ISSUER, TestIssuer};
use tm_auth_verifier::{Algorithm, Clock};
use tokio::net::TcpListener;

use crate::dev::now;

/// The audience in [`HttpIssuer::claims`].
pub(crate) const AUDIENCE: &str = "https://api.test";

/// Serves a JWKS and a revocation list on a loopback port until the test's runtime ends.
pub(crate) struct HttpIssuer {
    issuer: TestIssuer,
    base_url: String,
}

impl HttpIssuer {
    /// Starts the issuer with its clock set to the present.
    pub(crate) async fn start(algorithm: Algorithm) -> Self {
        let issuer = TestIssuer::with_algorithm(Environment::Uat, algorithm);
        let clock = issuer.clock();
        clock.advance(now().as_second() - clock.now().as_second());
        let (key_issuer, list_issuer) = (issuer.clone(), issuer.clone());
        let router = Router::new()
            .route("/jwks.json", get(async move || axum::Json(key_issuer.jwks())))
            .route(
                "/revocations",
                get(async move || list_issuer.sign_revocations(&list_issuer.revocation_list())),
            );
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let base_url = format!(
            "http://{}",
            listener.local_addr().expect("the listener has an address")
        );
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { issuer, base_url }
    }

    /// The settings with which an example program trusts this issuer.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("TM_ISSUER", ISSUER.to_owned()),
            ("TM_AUDIENCE", AUDIENCE.to_owned()),
            ("TM_JWKS", format!("{}/jwks.json", self.base_url)),
            ("TM_REVOCATIONS", format!("{}/revocations", self.base_url)),
        ]
    }

    /// The claims of a valid access token for [`AUDIENCE`].
    pub(crate) fn claims(&self) -> Value {
        serde_json::to_value(self.issuer.claims(AUDIENCE)).expect("claims are JSON")
    }

    /// Signs claims with the header of an access token.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_with(claims, &[])
    }

    /// Signs claims with the header of an access token, changed in these members.
    pub(crate) fn sign_with(&self, claims: &Value, header: &[(&str, &str)]) -> String {
        let mut changed = self.issuer.header(ACCESS_TOKEN_TYP);
        for (name, value) in header {
            changed[*name] = Value::from(*value);
        }
        self.issuer.sign_raw(&changed, claims.to_string().as_bytes())
    }
}
