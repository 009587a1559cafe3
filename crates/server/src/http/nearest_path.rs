//! Names the route that a client probably meant, in the answer to a request without a route.
//!
//! Paths are wrong because of a typing error, a doubled slash, or a proxy that removes or doubles
//! the prefix. So each route is compared with and without parts of its prefix.

use http::Method;

/// A longer path is not compared, so that the work is bounded. The longest route has 40 bytes.
const MAX_PATH: usize = 128;

/// The routes that a message may name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Routes {
    prefix: String,
    routes: Vec<Route>,
}

#[derive(Clone, Debug)]
struct Route {
    /// Below the prefix. A parameter is a segment in braces.
    path: String,
    methods: Vec<Method>,
}

impl Route {
    /// The largest distance at which the route is still named.
    fn farthest(&self) -> usize {
        (self.path.len() / 3).max(3)
    }
}

impl Routes {
    /// No routes yet below a prefix such as `/v1/auth`.
    pub(crate) fn below(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            routes: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, path: &str, methods: Vec<Method>) {
        let path = path.to_owned();
        self.routes.push(Route { path, methods });
    }

    /// The method and path of the route nearest to a request, if one is near enough.
    pub(crate) fn nearest(&self, method: &Method, path: &str) -> Option<String> {
        if path.len() > MAX_PATH {
            return None;
        }
        let asked = normal(path);
        let (distance, route) = self
            .routes
            .iter()
            .map(|route| (self.distance(route, &asked), route))
            // A route with a parameter is near to any segment in its place.
            .min_by_key(|(distance, route)| {
                let is_other_method = !route.methods.contains(method);
                (*distance, route.path.contains('{'), is_other_method)
            })?;
        if distance > route.farthest() {
            return None;
        }
        let methods = if route.methods.contains(method) {
            method.to_string()
        } else {
            let all: Vec<&str> = route.methods.iter().map(Method::as_str).collect();
            all.join(" or ")
        };
        Some(format!("{methods} {}{}", self.prefix, route.path))
    }

    /// The distance from the route's nearest spelling: whole, behind a part of the prefix, or with
    /// the prefix twice.
    fn distance(&self, route: &Route, asked: &str) -> usize {
        let suffixes = self
            .prefix
            .match_indices('/')
            .map(|(start, _)| self.prefix[start..].to_owned())
            .chain([String::new(), format!("{0}{0}", self.prefix)]);
        suffixes
            .map(|prefix| filled(&format!("{prefix}{}", route.path), asked))
            // The distance is at least the difference in length, and only a near route is named.
            .filter(|spelling| spelling.len().abs_diff(asked.len()) <= route.farthest())
            .map(|spelling| edits(&spelling, asked))
            .min()
            .unwrap_or(usize::MAX)
    }
}

/// In lower case, with single slashes and none at the end.
fn normal(path: &str) -> String {
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    segments.fold(String::new(), |path, segment| {
        path + "/" + &segment.to_ascii_lowercase()
    })
}

/// The route with the request's segments in place of its parameters.
fn filled(route: &str, asked: &str) -> String {
    let mut asked = asked.split('/');
    let segments = route.split('/').map(|segment| match asked.next() {
        Some(value) if segment.starts_with('{') => value,
        _ => segment,
    });
    segments.collect::<Vec<_>>().join("/")
}

/// The Levenshtein distance in bytes.
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, byte) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, other) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(byte != other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Routes {
        let mut routes = Routes::below("/v1/auth");
        routes.add("/api-key", vec![Method::GET]);
        routes.add("/api-key/token", vec![Method::POST]);
        routes.add("/api-keys", vec![Method::GET, Method::POST]);
        routes.add(
            "/api-keys/{key_id}",
            vec![Method::GET, Method::PATCH, Method::DELETE],
        );
        routes.add("/token/refresh", vec![Method::POST]);
        routes
    }

    fn nearest(method: Method, path: &str) -> String {
        routes().nearest(&method, path).unwrap_or_default()
    }

    #[test]
    fn r24_a_wrong_path_is_near_to_the_route_that_was_meant() {
        let mint = "POST /v1/auth/api-key/token";
        for path in [
            "//v1/auth/api-key/token",
            "/v1/auth//api-key/token/",
            "/v1/auht/api-key/token",
            "/api-key/token",
            "/auth/api-key/token",
            "/v1/auth/v1/auth/api-key/token",
            "/V1/Auth/API-Key/Token",
            "/v1/auth/apikey/token",
            "/v1/auth/api-key/tokens",
        ] {
            assert_eq!(nearest(Method::POST, path), mint, "{path}");
            assert_eq!(
                nearest(Method::GET, path),
                mint,
                "{path}: the route has another method"
            );
        }
        let id = "b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e";
        let key = "PATCH /v1/auth/api-keys/{key_id}";
        assert_eq!(nearest(Method::PATCH, &format!("/api-keys/{id}")), key);
        assert_eq!(nearest(Method::PATCH, &format!("/v1/auth/api-kyes/{id}")), key);
        assert_eq!(
            nearest(Method::PUT, "/v1/auth/apikeys"),
            "GET or POST /v1/auth/api-keys"
        );
    }

    #[test]
    fn r24_a_path_far_from_every_route_or_too_long_to_compare_names_none() {
        let long = format!("/v1/auth/api-key/token{}", "/".repeat(MAX_PATH));
        for path in [
            "",
            "/",
            "/v1/auth",
            "/.git/config",
            "/wp-login.php",
            "*",
            "/ü",
            &long,
        ] {
            assert_eq!(nearest(Method::POST, path), "", "{path}");
        }
    }

    #[test]
    fn r24_the_distance_counts_edits() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("auth", "auht", 2),
        ] {
            assert_eq!(edits(a, b), expected);
        }
    }
}
