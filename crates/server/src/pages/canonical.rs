//! Redirects the pages of a sandbox to its configured host name.
//!
//! `http://127.0.0.1:8080` reaches the same service as `http://localhost:8080` but is another
//! origin: its forms are refused, and passkeys do not work for an IP address. Other deployments may
//! have a proxy that changes `Host`, so they never redirect.

use std::net::IpAddr;

use axum::response::{IntoResponse, Redirect, Response};
use http::header::HOST;
use http::uri::Authority;
use http::{HeaderMap, Method, Uri};

use crate::app::App;

/// The redirect for a page that was requested at a loopback IP address.
pub(crate) fn redirect(app: &App, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Response> {
    if *method != Method::GET || !app.config.public_url.is_loopback() {
        return None;
    }
    let authority: Authority = headers.get(HOST)?.to_str().ok()?.parse().ok()?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    if host
        == app
            .config
            .public_url
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']')
    {
        return None;
    }
    host.parse::<IpAddr>().ok().filter(IpAddr::is_loopback)?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let origin = app.config.public_url.origin();
    Some(Redirect::temporary(&format!("{origin}{path}")).into_response())
}
