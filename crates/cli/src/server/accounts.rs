//! `tm-auth accounts`.

use clap::{Args, Subcommand};
use tm_auth_core::EmailAddress;
use tm_auth_core::token::access::{self, Issuer, MANAGEMENT_TTL};
use tm_auth_core::user::{AuthMethod, Proof};
use tm_auth_proto::{AccountId, OrganizationId, SessionId};
use tm_auth_server::clock::Clock;
use tm_auth_server::random;
use tm_auth_store::{AuditAction, AuditEntry, NewAccount};

use super::deployment::Deployment;
use super::{ConfigArgs, Failure, Outcome};
use crate::output;

/// Administration of accounts.
#[derive(Debug, Subcommand)]
pub(crate) enum AccountsCommand {
    /// Create an account and print its uid
    Create {
        #[command(flatten)]
        config: ConfigArgs,
        /// The owner's e-mail address, which you have verified. It becomes the `sub` of their
        /// tokens
        #[arg(long)]
        email: Option<String>,
    },
    /// List accounts: uid, created, state, e-mail
    List(ConfigArgs),
    /// Disable an account: refuse its mints and refreshes, and revoke its access tokens
    Disable(AccountArgs),
    /// Enable a disabled account
    Enable(AccountArgs),
    /// Print a management token of an account for `tm-auth key register`. It is valid for 5 minutes
    Session(AccountArgs),
}

/// The account that a command acts on.
#[derive(Debug, Args)]
pub(crate) struct AccountArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The uid of the account, as `tm-auth accounts list` prints it
    uid: AccountId,
}

impl AccountsCommand {
    pub(super) async fn run(self) -> Outcome {
        match self {
            Self::Create { config, email } => create(&config.open().await?, email).await,
            Self::List(config) => list(&config.open().await?).await,
            Self::Disable(args) => set_disabled(&args, true).await,
            Self::Enable(args) => set_disabled(&args, false).await,
            Self::Session(args) => session(&args).await,
        }
    }
}

pub(super) async fn create(deployment: &Deployment, email: Option<String>) -> Outcome {
    let audit_context = deployment.operator();
    let email = email.as_deref().map(EmailAddress::parse).transpose()?;
    let uid = AccountId(uuid_v4());
    let new = NewAccount {
        uid,
        organization_id: OrganizationId(uuid_v4()),
        email,
        created_at: audit_context.at,
    };
    match deployment.store.create_account(new, &audit_context).await? {
        Some(account) => output::print(account.uid)?,
        None => {
            return Err(Failure(
                "another account has this e-mail address: find it with `tm-auth accounts list`".to_owned(),
            ));
        }
    }
    Ok(())
}

async fn list(deployment: &Deployment) -> Outcome {
    for account in deployment.store.accounts().await? {
        let state = if account.disabled_at.is_some() {
            "disabled"
        } else {
            "active"
        };
        output::print(format_args!(
            "{} {} {state} {}",
            account.uid,
            account.created_at,
            account.email.as_deref().unwrap_or("-")
        ))?;
    }
    Ok(())
}

async fn set_disabled(args: &AccountArgs, disabled: bool) -> Outcome {
    let deployment = args.config.open().await?;
    let audit_context = deployment.operator();
    let found = deployment
        .store
        .set_account_disabled(args.uid, disabled.then_some(audit_context.at), &audit_context)
        .await?;
    if found { Ok(()) } else { Err(no_account(args.uid)) }
}

async fn session(args: &AccountArgs) -> Outcome {
    let deployment = args.config.open().await?;
    let account = deployment
        .store
        .account(args.uid)
        .await?
        .ok_or_else(|| no_account(args.uid))?;
    let ring = deployment.signing_keys().ring().await?;
    let now = deployment.clock.now();
    let issuer = Issuer {
        url: deployment.config.issuer().to_owned(),
        audience: deployment.config.audience().to_owned(),
        environment: deployment.config.environment,
        access_ttl: MANAGEMENT_TTL,
    };
    let sid = SessionId(uuid_v4());
    let proof = Proof {
        method: AuthMethod::Operator,
        at: now,
    };
    let claims = issuer.management_claims(&account, sid, proof, random::bytes(), now);
    let entry = AuditEntry {
        audit_context: deployment.operator(),
        action: AuditAction::ManagementSessionIssued,
        uid: Some(account.uid),
        key_id: None,
        sid: Some(sid),
        detail: None,
    };
    deployment.store.audit(vec![entry]).await?;
    output::print(access::sign(&claims, ring.signing()).text)?;
    Ok(())
}

fn no_account(uid: AccountId) -> Failure {
    Failure(format!(
        "there is no account {uid}: list the accounts with `tm-auth accounts list`"
    ))
}

pub(super) fn uuid_v4() -> uuid::Uuid {
    uuid::Builder::from_random_bytes(random::bytes()).into_uuid()
}
