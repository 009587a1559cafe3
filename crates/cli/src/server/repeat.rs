//! Reads the lines `audit` of a log, and repeats the changes that take access away.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use jiff::Timestamp;
use serde::Deserialize;
use tm_auth_proto::{AccountId, KeyId, SessionId};
use tm_auth_server::clock::Clock;
use tm_auth_store::{AuditAction, LostChange, Repeated};

use super::deployment::Deployment;
use super::{Failure, Outcome};
use crate::output;

/// A line of the log. `docs/LOGGING.md` has the fields.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Logged {
    message: String,
    action: String,
    at: Timestamp,
    actor: String,
    uid: Option<AccountId>,
    key_id: Option<KeyId>,
    sid: Option<SessionId>,
    kid: Option<String>,
}

/// What to do about a line.
enum Plan {
    Repeat(LostChange),
    RevokeSigningKey(String),
    /// The log does not have enough, or repeating it would give access.
    Tell(&'static str),
}

/// Returns the lines since this time, in the order of their times. Skips all other lines.
pub(super) fn read(files: &[PathBuf], since: Option<Timestamp>) -> Result<Vec<Logged>, Failure> {
    let mut found = Vec::new();
    for path in files {
        let cannot = |error: std::io::Error| Failure(format!("cannot read {}: {error}", path.display()));
        let before = found.len();
        // Bytes, since another program's lines can be in any encoding.
        for line in BufReader::new(File::open(path).map_err(cannot)?).split(b'\n') {
            let line = line.map_err(cannot)?;
            match serde_json::from_slice::<Logged>(&line) {
                Ok(logged) if logged.message == "audit" => found.push(logged),
                _ => {}
            }
        }
        if found.len() == before {
            return Err(Failure(format!(
                "{} has no line with the message `audit`: give the service's log as it was written with `log.format = \"json\"` and `log.level = \"info\"`",
                path.display()
            )));
        }
    }
    found.retain(|logged| since.is_none_or(|since| logged.at >= since));
    found.sort_by_key(|logged| logged.at);
    Ok(found)
}

/// Repeats all changes before it prints, so that none depends on a reader of the output.
pub(super) async fn run(deployment: &Deployment, lines: Vec<Logged>) -> Outcome {
    let mut done = Vec::new();
    let outcome = repeat_all(deployment, &lines, &mut done).await;
    for line in done {
        output::print(line)?;
    }
    outcome
}

async fn repeat_all(deployment: &Deployment, lines: &[Logged], done: &mut Vec<String>) -> Outcome {
    let (mut repeated, mut known, mut told) = (0, 0, 0);
    // A restart of the service logs lines again.
    let mut seen = BTreeSet::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(plan) = plan(line, &lines[at + 1..]) else {
            continue;
        };
        let subject = subject(line);
        let action = match &plan {
            // Revoking one writes two lines.
            Plan::RevokeSigningKey(_) => AuditAction::SigningKeyRevoked.as_str(),
            _ => &line.action,
        };
        if !seen.insert((action, subject.clone())) {
            continue;
        }
        let what = format!("{} {action} {subject}", line.at);
        let outcome = match plan {
            Plan::Tell(why) => {
                told += 1;
                output::note(format_args!("not repeated: {what}: {why}"));
                continue;
            }
            Plan::Repeat(lost) => {
                let audit_context = deployment.operator();
                deployment.store.repeat(lost, line.at, &audit_context).await?
            }
            Plan::RevokeSigningKey(kid) => revoke_signing_key(deployment, &kid).await?,
        };
        match outcome {
            Repeated::Known => known += 1,
            Repeated::Done => {
                repeated += 1;
                done.push(format!("repeated: {what}"));
            }
            Repeated::Listed => {
                repeated += 1;
                done.push(format!(
                    "repeated: {what}: unknown here, its access tokens are on the revocation list"
                ));
            }
        }
    }
    done.push(format!(
        "{repeated} changes repeated, {known} were in the database, {told} are left to you"
    ));
    Ok(())
}

async fn revoke_signing_key(deployment: &Deployment, kid: &str) -> Result<Repeated, Failure> {
    let keys = deployment.signing_keys();
    if !keys.list().await?.iter().any(|key| key.kid == kid) {
        return Ok(Repeated::Known);
    }
    keys.revoke(kid, deployment.clock.now()).await?;
    Ok(Repeated::Done)
}

/// Decides what to do about a line, given the later ones. `None`: nothing.
fn plan(line: &Logged, later: &[Logged]) -> Option<Plan> {
    use AuditAction as Action;
    let of_key = |action: &Action| {
        later
            .iter()
            .any(|other| other.key_id == line.key_id && other.action == action.as_str())
    };
    let of_account = |action: &Action| {
        later
            .iter()
            .any(|other| other.uid == line.uid && other.key_id.is_none() && other.action == action.as_str())
    };
    Some(match AuditAction::parse(&line.action) {
        Action::KeyRevoked => Plan::Repeat(LostChange::KeyRevoked(line.key_id?)),
        Action::KeyDisabled if of_key(&Action::KeyEnabled) => return None,
        Action::KeyDisabled => Plan::Repeat(LostChange::KeyDisabled(line.key_id?)),
        Action::AccountDisabled if of_account(&Action::AccountEnabled) => return None,
        Action::AccountDisabled => Plan::Repeat(LostChange::AccountDisabled(line.uid?)),
        Action::AccountDeleted => Plan::Repeat(LostChange::AccountDeleted(line.uid?)),
        Action::SessionEnded | Action::SessionRevoked | Action::RefreshReused => {
            Plan::Repeat(LostChange::SessionEnded(line.sid?))
        }
        Action::SigningKeyRevoked => Plan::RevokeSigningKey(line.kid.clone()?),
        // An operator removes a key by revoking it. The service removes it when its time is over.
        Action::SigningKeyRemoved if line.actor == "operator" => Plan::RevokeSigningKey(line.kid.clone()?),
        Action::KeyChanged => Plan::Tell("its scopes, networks or expiry may be wider now: ask the owner"),
        Action::KeyEnabled | Action::AccountEnabled => {
            Plan::Tell("this gives access: enable it yourself if it is still disabled")
        }
        Action::PasskeyRemoved => Plan::Tell("the removed passkey logs in again: ask the owner to remove it"),
        Action::EmailChanged => Plan::Tell("the former address logs in again: ask the owner to change it"),
        Action::AppleUnlinked => Plan::Tell("the unlinked Apple account logs in again: ask the owner"),
        Action::RecoveryCancelled => Plan::Tell("the recovery goes on: ask the owner to cancel it"),
        Action::DatabaseRecovered => {
            Plan::Tell("if `post-restore --end-sessions` was run then, run it again with this option")
        }
        _ => return None,
    })
}

fn subject(line: &Logged) -> String {
    let ids = [
        line.uid.map(|id| format!("uid={id}")),
        line.key_id.map(|id| format!("key_id={id}")),
        line.sid.map(|id| format!("sid={id}")),
        line.kid.as_ref().map(|id| format!("kid={}", id.escape_debug())),
    ];
    ids.into_iter().flatten().collect::<Vec<_>>().join(" ")
}
