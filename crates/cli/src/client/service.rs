//! The options that choose the service.

use clap::Args;
use tm_auth_client::AuthApi;
use tm_auth_client::proto::Environment;

use super::Failure;

/// The service to call.
#[derive(Args, Clone, Debug)]
pub(super) struct ServiceArgs {
    /// The service, for example http://localhost:8080; overrides --env
    #[arg(long, env = "TM_BASE_URL", value_name = "URL")]
    base_url: Option<String>,
    /// The platform's environment: production or uat (its sandbox)
    #[arg(long, env = "TM_ENV", value_name = "ENV", default_value = "production")]
    env: Environment,
}

impl ServiceArgs {
    pub(super) fn api(&self) -> Result<AuthApi, Failure> {
        let base_url = match &self.base_url {
            Some(base_url) => base_url,
            None => self.env.public_base_url(),
        };
        Ok(AuthApi::new(base_url)?)
    }
}
