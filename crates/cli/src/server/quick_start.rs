//! What `dev` tells a newcomer: the page where it begins, and the specification's three steps as commands to paste,
//! which need curl and this binary, nothing else.

use std::path::Path;

use super::Outcome;

/// The running program, as one word of a shell.
pub(super) fn program() -> std::io::Result<String> {
    Ok(quoted(&std::env::current_exe()?))
}

pub(super) fn print(origin: &str, key_file: &Path, data: &Path) -> Outcome {
    let binary = program()?;
    let key = quoted(key_file);
    println!(
        "\
tm-auth sandbox (environment uat), data in {data}

Open {origin} to sign up and make an API key. What it mails is at {origin}/mailbox

Or from the command line, with the demo key:

# 1. Mint: the key file signs, the answer is kept in TOKENS
TOKENS=$(curl -sS -X POST {origin}/v1/auth/api-key/token -H 'Content-Type: application/json' -d \"$({binary} sign --key-file {key})\"); echo \"$TOKENS\"

# 2. Fetch the JWKS that verifies the tokens' signatures
curl -sS {origin}/.well-known/jwks.json

# 3. Refresh, without signing again
curl -sS -X POST {origin}/v1/auth/token/refresh -H 'Content-Type: application/json' -d \"$(echo \"$TOKENS\" | {binary} refresh --request-body)\"

# For the SDK and the other commands
export TM_BASE_URL={origin} TM_KEY_FILE={key}
# Administration: {binary} accounts list --config {config}
",
        data = data.display(),
        config = quoted(&data.join("tm-auth.toml")),
    );
    Ok(())
}

/// As one word of a POSIX shell.
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
    fn a_path_is_one_word() {
        assert_eq!(quoted(Path::new("/a/b-c.json")), "/a/b-c.json");
        assert_eq!(quoted(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }
}
