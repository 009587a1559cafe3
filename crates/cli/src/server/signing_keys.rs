//! `tm-auth signing-keys …`.

use clap::Subcommand;
use tm_auth_server::clock::Clock;

use super::{ConfigArgs, Outcome};

/// The service's own keys.
#[derive(Debug, Subcommand)]
pub(crate) enum SigningKeysCommand {
    /// List the keys: kid, purpose, algorithm, state, published
    List(ConfigArgs),
    /// Let the published spare sign from now on, and publish another
    Rotate(ConfigArgs),
    /// Take a compromised key out of use at once; the published spare signs from now on
    Revoke {
        #[command(flatten)]
        config: ConfigArgs,
        /// The key's name
        kid: String,
    },
    /// Seal every key under `keys.kek`, while `keys.previous_kek` still opens those sealed before
    #[command(alias = "reseal")]
    Rewrap(ConfigArgs),
}

impl SigningKeysCommand {
    pub(super) async fn run(self) -> Outcome {
        match self {
            Self::List(config) => list(&config).await,
            Self::Rotate(config) => {
                let deployment = config.open().await?;
                Ok(deployment.signing_keys().rotate(deployment.clock.now()).await?)
            }
            Self::Revoke { config, kid } => {
                let deployment = config.open().await?;
                deployment
                    .signing_keys()
                    .revoke(&kid, deployment.clock.now())
                    .await?;
                eprintln!(
                    "verifiers that do not ask again on an unknown key refuse new tokens for at most 5 minutes"
                );
                Ok(())
            }
            Self::Rewrap(config) => {
                let deployment = config.open().await?;
                let count = deployment.signing_keys().rewrap(deployment.clock.now()).await?;
                println!(
                    "{count} keys sealed anew; `keys.previous_kek` can go once every server has the new key"
                );
                Ok(())
            }
        }
    }
}

async fn list(config: &ConfigArgs) -> Outcome {
    let deployment = config.open().await?;
    for key in deployment.signing_keys().list().await? {
        let algorithm = key
            .algorithm
            .map_or("HS256", tm_auth_core::signing::Algorithm::as_str);
        let state = format!("{:?}", key.state()).to_lowercase();
        println!(
            "{} {} {algorithm} {state} {}",
            key.kid,
            key.purpose.as_str(),
            key.published_at
        );
    }
    Ok(())
}
