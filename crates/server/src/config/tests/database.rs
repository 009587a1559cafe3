//! `[database]`: exactly one database, and the URL of PostgreSQL as a secret.

use super::*;

const PASSWORD: &str = "aLongPassw0rdOfOurs";

/// Loads a configuration with this PostgreSQL URL and these variables.
fn postgres(url: &str, pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let mut all = vec![("DATABASE__PATH", ""), ("DATABASE__URL", url)];
    all.extend(pairs);
    with(&all)
}

fn refused_url(url: &str) -> String {
    let line = refused("database.url", &[("DATABASE__PATH", ""), ("DATABASE__URL", url)]);
    assert!(!line.contains(PASSWORD), "{line}");
    line
}

fn local(password: &str) -> String {
    format!("postgres://tm_auth:{password}@127.0.0.1:5432/tm_auth")
}

#[test]
fn i17_the_database_is_a_file() {
    for path in ["/", "..", ":memory:", "file:a.db?mode=memory"] {
        refused("database.path", &[("DATABASE__PATH", path)]);
    }
    let config = with(&[]).unwrap();
    assert_eq!(config.database.to_string(), "/var/lib/tm-auth/tm-auth.db");
    refused("database.max_connections", &[("DATABASE__MAX_CONNECTIONS", "10")]);
}

#[test]
fn i17_the_database_is_one_of_two() {
    let url = local(PASSWORD);
    let line = refused("database.path", &[("DATABASE__URL", &url)]);
    assert!(line.contains("exactly one") && !line.contains(PASSWORD), "{line}");
    let neither = [("DATABASE__PATH", ""), ("DATABASE__MAX_CONNECTIONS", "10")];
    assert!(refused("database.path", &neither).contains("is missing"));
}

#[test]
fn i17_the_database_is_a_server() {
    let url = local(PASSWORD);
    for (pairs, expected) in [(&[][..], 10), (&[("DATABASE__MAX_CONNECTIONS", "40")], 40)] {
        let Database::Postgres {
            url: found,
            max_connections,
        } = postgres(&url, pairs).unwrap().database
        else {
            panic!("not PostgreSQL");
        };
        assert_eq!(found.expose(), url);
        assert_eq!(max_connections, expected);
    }
    for good in [
        "postgresql://tm_auth@localhost/tm_auth",
        "postgres://tm_auth@[::1]:5432/tm_auth?sslmode=disable",
        "postgres://tm_auth@[::1]/tm_auth",
        "postgres://tm_auth@db.example.com:5432/tm_auth?sslmode=verify-full&sslrootcert=/etc/ca.pem",
        "postgres://tm_auth@10.0.0.7/tm_auth?application_name=auth&sslmode=verify-ca",
    ] {
        postgres(good, &[]).unwrap_or_else(|error| panic!("{good}: {error}"));
    }
    for bound in ["3", "201"] {
        let error = postgres(&url, &[("DATABASE__MAX_CONNECTIONS", bound)]).unwrap_err();
        assert_eq!(error.key(), Some("database.max_connections"));
    }
}

#[test]
fn i17_an_address_that_is_not_postgresql_is_refused() {
    assert!(refused_url(&format!("mysql://tm_auth:{PASSWORD}@localhost/tm_auth")).contains("`mysql`"));
    for (url, problem) in [
        (format!("tm_auth:{PASSWORD}@localhost/tm_auth"), "not a URL"),
        (format!("{PASSWORD}://localhost/tm_auth"), "the scheme is not"),
        (format!("postgres://tm_auth:{PASSWORD}@localhost"), "no database"),
        (
            format!("postgres://tm_auth:{PASSWORD}@localhost/a/b"),
            "no database",
        ),
        ("postgres://localhost/tm_auth".to_owned(), "no role"),
        (format!("postgres://:{PASSWORD}@localhost/tm_auth"), "no role"),
        (format!("postgres://tm_auth:{PASSWORD}@/tm_auth"), "no host"),
        (
            format!("postgres://tm_auth:{PASSWORD}@Host/tm_auth"),
            "lower case",
        ),
        (
            format!("postgres://tm_auth:{PASSWORD}@localhost:0/tm_auth"),
            "no port",
        ),
        (
            format!("postgres://tm_auth:{PASSWORD}@localhost:{PASSWORD}/tm_auth"),
            "no port",
        ),
        (
            format!("postgres://tm_auth:{PASSWORD}/more@localhost/tm_auth"),
            "no database",
        ),
        (
            format!("postgres://tm_auth:{PASSWORD}#more@localhost/tm_auth"),
            "%XX",
        ),
        (
            format!("postgres://tm_auth:{PASSWORD} more@localhost/tm_auth"),
            "%XX",
        ),
    ] {
        assert!(
            refused_url(&url).contains(problem),
            "{url}: {}",
            refused_url(&url)
        );
    }
}

#[test]
fn i17_a_parameter_of_the_address_is_known() {
    let url = local(PASSWORD);
    for (parameters, problem) in [
        (format!("password={PASSWORD}"), "unknown parameter"),
        (PASSWORD.to_owned(), "unknown parameter"),
        (format!("sslmode={PASSWORD}"), "`sslmode`"),
        ("sslmode=verify-full&sslmode=disable".to_owned(), "twice"),
    ] {
        assert!(
            refused_url(&format!("{url}?{parameters}")).contains(problem),
            "{parameters}"
        );
    }
}

#[test]
fn i17_another_machine_has_to_prove_which_it_is() {
    for parameters in ["", "?sslmode=disable", "?sslmode=prefer", "?sslmode=require"] {
        let url = format!("postgres://tm_auth:{PASSWORD}@db.example.com/tm_auth{parameters}");
        assert!(refused_url(&url).contains("sslmode=verify-full"), "{parameters}");
    }
}

#[test]
fn i17_the_address_is_a_secret() {
    let url = local(PASSWORD);
    let config = postgres(&url, &[]).unwrap();
    assert!(!format!("{config:?}").contains(PASSWORD));
    assert_eq!(config.database.to_string(), "postgres://127.0.0.1:5432/tm_auth");

    let folder = Folder::new();
    let file = folder.file("url", &format!("{url}\n"), 0o600);
    let by_file = |file: &PathBuf| {
        with(&[
            ("DATABASE__PATH", ""),
            ("DATABASE__URL_FILE", file.to_str().unwrap()),
        ])
    };
    assert_eq!(by_file(&file).unwrap().database, config.database);
    let error = by_file(&folder.file("open", &url, 0o644)).unwrap_err();
    assert_eq!(error.key(), Some("database.url_file"));
    assert!(error.to_string().contains("chmod 600"), "{error}");
    assert_eq!(
        postgres(&url, &[("DATABASE__URL_FILE", file.to_str().unwrap())])
            .unwrap_err()
            .key(),
        Some("database.url")
    );

    // A configuration file that holds the URL must be private. An error about a value of the wrong
    // type does not repeat the value.
    let text = format!(
        "environment = 'uat'\npublic_url = 'http://localhost:1/v1/auth'\n[database]\nurl = '{url}'\n[keys]\n"
    );
    let kek = env(&[("KEYS__KEK", KEK)]);
    let error = Config::load(Some(&folder.file("open.toml", &text, 0o644)), kek.clone()).unwrap_err();
    assert_eq!(error.key(), Some("database.url"));
    Config::load(Some(&folder.file("closed.toml", &text, 0o600)), kek.clone()).unwrap();
    let list = text.replace(&format!("'{url}'"), &format!("['{url}']"));
    let error = Config::load(Some(&folder.file("list.toml", &list, 0o600)), kek).unwrap_err();
    assert!(!error.to_string().contains(PASSWORD), "{error}");
}
