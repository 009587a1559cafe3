//! `tm-auth signing-keys`.

use clap::Subcommand;
use tm_auth_core::signing::Purpose;
use tm_auth_server::clock::Clock;

use super::{ConfigArgs, Outcome};
use crate::output;

/// Administration of the service's own keys.
#[derive(Debug, Subcommand)]
pub(crate) enum SigningKeysCommand {
    /// List the keys: kid, purpose, algorithm, state, time of publication
    List(ConfigArgs),
    /// Sign with the published next key from now on, and publish a new next key
    Rotate(ConfigArgs),
    /// Revoke a compromised key at once; the published next key signs from now on
    Revoke {
        #[command(flatten)]
        config: ConfigArgs,
        /// The kid of the key, as `tm-auth signing-keys list` prints it
        kid: String,
    },
    /// Encrypt every key with `keys.kek`; `keys.previous_kek` decrypts those encrypted before
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
            Self::Revoke { config, kid } => revoke(&config, &kid).await,
            Self::Rewrap(config) => {
                let deployment = config.open().await?;
                let count = deployment.signing_keys().rewrap(deployment.clock.now()).await?;
                output::print(format_args!(
                    "{count} keys rewrapped; remove `keys.previous_kek` when every server runs with the new `keys.kek`"
                ))?;
                Ok(())
            }
        }
    }
}

async fn revoke(config: &ConfigArgs, kid: &str) -> Outcome {
    let deployment = config.open().await?;
    let keys = deployment.signing_keys();
    let listed = keys.list().await?;
    keys.revoke(kid, deployment.clock.now()).await?;
    match listed.iter().find(|key| key.kid == kid).map(|key| key.purpose) {
        Some(Purpose::RefreshToken) => {
            output::note("Refresh tokens of this key are refused from now on; clients mint again.");
        }
        _ => output::note(
            "Verifiers accept tokens of this key until they fetch the JWKS again, within 5 minutes.",
        ),
    }
    Ok(())
}

async fn list(config: &ConfigArgs) -> Outcome {
    let deployment = config.open().await?;
    for key in deployment.signing_keys().list().await? {
        let algorithm = key
            .algorithm
            .map_or("HS256", tm_auth_core::signing::Algorithm::as_str);
        let state = format!("{:?}", key.state()).to_lowercase();
        output::print(format_args!(
            "{} {} {algorithm} {state} {}",
            key.kid,
            key.purpose.as_str(),
            key.published_at
        ))?;
    }
    Ok(())
}
