//! An issuer whose key the tests hold, served over HTTP: it signs what the service never would.

use axum::Router;
use axum::routing::get;
use serde_json::Value;
use tm_auth_proto::Environment;
use tm_auth_proto::claims::ACCESS_TOKEN_TYP;
use tm_auth_verifier::testing::{ISSUER, TestIssuer};
use tm_auth_verifier::{Algorithm, Clock};
use tokio::net::TcpListener;

use crate::dev::now;

/// The audience of [`ForeignIssuer::claims`].
pub(crate) const AUDIENCE: &str = "https://api.test";

/// Keys and revocation list at a loopback port. Ends with the test's runtime.
pub(crate) struct ForeignIssuer {
    issuer: TestIssuer,
    base: String,
}

impl ForeignIssuer {
    /// Starts one that lives in the present.
    pub(crate) async fn start(algorithm: Algorithm) -> Self {
        let issuer = TestIssuer::with_algorithm(Environment::Uat, algorithm);
        let clock = issuer.clock();
        clock.advance(now().as_second() - clock.now().as_second());
        let (keys, list) = (issuer.clone(), issuer.clone());
        let router = Router::new()
            .route("/jwks.json", get(async move || axum::Json(keys.jwks())))
            .route(
                "/revocations",
                get(async move || list.sign_revocations(&list.revocation_list())),
            );
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("its address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { issuer, base }
    }

    /// The settings that make a verifying program trust this issuer.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("TM_ISSUER", ISSUER.to_owned()),
            ("TM_AUDIENCE", AUDIENCE.to_owned()),
            ("TM_JWKS", format!("{}/jwks.json", self.base)),
            ("TM_REVOCATIONS", format!("{}/revocations", self.base)),
        ]
    }

    /// The claims of an ordinary token for [`AUDIENCE`].
    pub(crate) fn claims(&self) -> Value {
        serde_json::to_value(self.issuer.claims(AUDIENCE)).expect("claims are JSON")
    }

    /// Signs claims as an access token.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_with(claims, &[])
    }

    /// Signs claims under a header with some members changed.
    pub(crate) fn sign_with(&self, claims: &Value, header: &[(&str, &str)]) -> String {
        let mut all = self.issuer.header(ACCESS_TOKEN_TYP);
        for (name, value) in header {
            all[*name] = Value::from(*value);
        }
        self.issuer.sign_raw(&all, claims.to_string().as_bytes())
    }
}
