//! Whether mail is sent, and whether its server takes this client.

use tm_auth_server::Config;
use tm_auth_server::config::Delivery;
use tm_auth_server::mail::probe;
use tokio::net::TcpStream;

use super::report::{Verdict, fail, in_time, ok, warn};

pub(super) fn delivery(config: &Config) -> Verdict {
    match config.delivery() {
        Delivery::Smtp(smtp) => ok(format!("through {}:{}", smtp.host, smtp.port)),
        Delivery::Mailbox => ok("not sent: the page /mailbox shows it"),
        Delivery::Nowhere => warn(
            "no mail is sent: users cannot log in by e-mail, and owners get no notices; set `mail.mode` = \"smtp\"",
        ),
    }
}

/// Connects, starts TLS and logs in, as for a mail.
pub(super) async fn server(config: &Config) -> Verdict {
    let Delivery::Smtp(smtp) = config.delivery() else {
        return ok("none is configured");
    };
    let place = format!("{}:{}", smtp.host, smtp.port);
    let used = in_time(async {
        let reached = TcpStream::connect((smtp.host.as_str(), smtp.port)).await;
        reached.map_err(|error| format!("cannot be reached: {error}"))?;
        let used = probe(smtp, &config.public_url).await;
        used.map_err(|problem| format!("cannot be used: {problem}"))
    });
    match used.await {
        Ok(()) => ok(format!("{place} takes this client")),
        Err(problem) => fail(format!(
            "{place} {problem}; correct the `[mail]` settings, or allow connections to the server"
        )),
    }
}
