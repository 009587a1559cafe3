//! The text that `dev` prints for new users: the page to open, and the steps mint, JWKS and refresh
//! as commands to paste. They need only curl and this binary.

use std::path::Path;

use super::Outcome;
use crate::output;

/// The path of this program, quoted for a shell.
pub(super) fn program() -> std::io::Result<String> {
    Ok(quoted(&std::env::current_exe()?))
}

pub(super) fn print(origin: &str, key_file: &Path, data: &Path) -> Outcome {
    let binary = program()?;
    let key = quoted(key_file);
    output::print(format_args!(
        "\
tm-auth sandbox (environment uat), data in {data}

Open {origin} to sign up and create an API key. The sandbox's mail is at {origin}/mailbox

Or from the command line, with the demo key:

# 1. Mint: sign with the key file, keep the response in TOKENS
TOKENS=$(curl -sS -X POST {origin}/v1/auth/api-key/token -H 'Content-Type: application/json' -d \"$({binary} sign --key-file {key})\"); echo \"$TOKENS\"

# 2. Fetch the JWKS, which verifies the tokens' signatures
curl -sS {origin}/.well-known/jwks.json

# 3. Refresh, without another signature
curl -sS -X POST {origin}/v1/auth/token/refresh -H 'Content-Type: application/json' -d \"$(echo \"$TOKENS\" | {binary} refresh --request-body)\"

# For the SDK and the other commands
export TM_BASE_URL={origin} TM_KEY_FILE={key}
# To administer the sandbox, for example: {binary} accounts list --config {config}
",
        data = data.display(),
        config = quoted(&data.join("tm-auth.toml")),
    ))?;
    Ok(())
}

/// Quotes a path as one word of a POSIX shell.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_quoted_as_one_word() {
        assert_eq!(quoted(Path::new("/a/b-c.json")), "/a/b-c.json");
        assert_eq!(quoted(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }
}
