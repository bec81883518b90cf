//! The demo page: that which the program was built with (build.rs), or that of a folder. Built in, files lie compressed, as nearly every
//! client takes them.

use super::app::App;
use crate::cli::terminal;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    REFERRER_POLICY, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::get;
use flate2::read::GzDecoder;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

mod pack;

/// Path, whether the bytes are compressed, tag and bytes of each file that the program was built with.
static EMBEDDED: &[(&str, bool, &str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// What there is to see without a page.
const INSTEAD: &str = r#"<!doctype html>
<html lang="en">
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width">
  <meta name="color-scheme" content="light dark">
  <title>b158 serve</title>
  <h1>b158 serve</h1>
  <p>A language model answers here, to programs that speak OpenAI's API. Their base URL is this address with <code>/v1</code> behind it.</p>
  <ul>
    <li><code>POST /v1/chat/completions</code>, <code>/v1/completions</code>, <code>/v1/embeddings</code>
    <li><code>GET</code> <a href="v1/models"><code>/v1/models</code></a>, <a href="health"><code>/health</code></a>, <a href="metrics"><code>/metrics</code></a>
  </ul>
  <p>There is a page to chat on, with which this program was not built: <code>./build.sh build</code> does that, and <code>b158 serve --page www/dist/demo</code> takes it from its folder.</p>
</html>
"#;

/// A file as it is sent.
#[derive(Clone)]
struct File {
    gzip: bool,
    tag: HeaderValue,
    kind: &'static str,
    cached: &'static str,
    bytes: Bytes,
}

/// What there is to see at `/`: files by their paths.
#[derive(Clone)]
pub(crate) struct Page(BTreeMap<String, File>);

impl Page {
    /// That of a folder, or that which the program was built with.
    ///
    /// # Errors
    /// What is wrong with the folder.
    pub(crate) fn new(folder: Option<&Path>) -> Result<Self, String> {
        let files = match folder {
            Some(folder) => {
                let packed = pack::pack(folder, false).map_err(|why| format!("{}: {why}", terminal::path(folder)))?;
                packed.into_iter().map(|file| File::new(file.path, file.gzip, &file.tag, file.bytes.into())).collect()
            }
            None if EMBEDDED.is_empty() => {
                vec![File::new("/".to_owned(), false, TAG, Bytes::from_static(INSTEAD.as_bytes()))]
            }
            None => {
                let file = |&(path, gzip, tag, bytes): &(&str, _, _, _)| {
                    File::new(path.to_owned(), gzip, tag, Bytes::from_static(bytes))
                };
                EMBEDDED.iter().map(file).collect()
            }
        };
        files.into_iter().collect::<Result<_, _>>().map(Self)
    }

    /// A route for each file.
    pub(crate) fn routes(&self) -> Router<Arc<App>> {
        self.0.iter().fold(Router::new(), |router, (path, file)| {
            let file = file.clone();
            router.route(path, get(|headers: HeaderMap| async move { file.answer(&headers) }))
        })
    }

    /// Whether a path is the page's, and so open to all.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }
}

/// As www/headers.mjs has them, whose page would not run on others: threads need the isolation, and workers are bound by their own policy.
const HEADERS: [(HeaderName, &str); 6] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-embedder-policy"), "require-corp"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (REFERRER_POLICY, "no-referrer"),
    (VARY, "accept-encoding"),
];

const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; \
                      font-src 'self'; img-src 'self'; manifest-src 'self'; connect-src 'self' https: http:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Of what there is to see instead.
const TAG: &str = concat!("W/\"", env!("CARGO_PKG_VERSION"), "\"");

/// Ask each time whether it is still the same: a new build is seen at once.
const ASK: &str = "no-cache";
/// The build puts a hash of what they hold into the names under assets.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

impl File {
    fn new(path: String, gzip: bool, tag: &str, bytes: Bytes) -> Result<(String, Self), String> {
        let tag = HeaderValue::from_str(tag).map_err(|why| format!("{path}: {why}"))?;
        let cached = if path.starts_with("/assets/") { FOR_EVER } else { ASK };
        Ok((path.clone(), Self { gzip, tag, kind: kind(&path), cached, bytes }))
    }

    fn answer(&self, asked: &HeaderMap) -> Response {
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        for (name, value) in HEADERS {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.insert(ETAG, self.tag.clone());
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(self.cached));
        if asked.get(IF_NONE_MATCH).is_some_and(|tags| knows(tags, &self.tag)) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.kind));
        let takes_gzip = asked.get_all(ACCEPT_ENCODING).iter().any(takes_gzip);
        if self.gzip && takes_gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        *response.body_mut() = match self.gzip && !takes_gzip {
            false => Body::from(self.bytes.clone()),
            true => {
                let mut plain = Vec::new();
                // What build.rs has compressed.
                if GzDecoder::new(&*self.bytes).read_to_end(&mut plain).is_err() {
                    *response.status_mut() = StatusCode::NOT_ACCEPTABLE;
                }
                Body::from(plain)
            }
        };
        response
    }
}

fn knows(tags: &HeaderValue, tag: &HeaderValue) -> bool {
    let (Ok(tags), Ok(tag)) = (tags.to_str(), tag.to_str()) else { return false };
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    tags.trim() == "*" || tags.split(',').any(|one| opaque(one) == opaque(tag))
}

/// `gzip;q=0` does not.
fn takes_gzip(value: &HeaderValue) -> bool {
    let Ok(value) = value.to_str() else { return false };
    value.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip") || name == "*");
        let weight = parts.find_map(|part| part.to_ascii_lowercase().strip_prefix("q=").map(str::to_owned));
        named && weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|weight| weight > 0.0))
    })
}

fn kind(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("html", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "txt" => "text/plain; charset=utf-8",
        "wasm" => "application/wasm",
        "woff2" => "font/woff2",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "webmanifest" => "application/manifest+json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn headers_are_those_of_the_page() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/www/headers.mjs");
        let theirs = std::fs::read_to_string(path).unwrap();
        for directive in POLICY.split("; ") {
            assert!(theirs.contains(directive), "www/headers.mjs has no {directive}");
        }
        for (name, value) in HEADERS.iter().filter(|(name, _)| name.as_str().starts_with("cross-origin")) {
            assert!(theirs.contains(&format!("\"{name}\": \"{value}\"")), "www/headers.mjs has another {name}");
        }
        let directives =
            theirs.lines().filter(|line| line.trim_start().starts_with('"') && line.contains("-src '")).count();
        assert_eq!(directives, POLICY.matches("-src '").count(), "www/headers.mjs has another policy");
    }

    #[test]
    fn whoever_takes_gzip_says_so() {
        for (value, takes) in [
            ("gzip, deflate, br", true),
            ("br;q=1.0, GZIP;q=0.8", true),
            ("*", true),
            ("identity", false),
            ("gzip;q=0", false),
            ("gzip; q=0.0, br", false),
            ("", false),
            ("x-gzipped", false),
        ] {
            assert_eq!(takes_gzip(&HeaderValue::from_static(value)), takes, "{value}");
        }
    }

    /// A page of two files, in a folder that goes with it.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("b158-page-{name}-{}", std::process::id()));
            std::fs::create_dir_all(folder.join("assets")).unwrap();
            Folder(folder)
                .with("index.html", "<html><head><title>x</title></head></html>")
                .with("assets/a-1.js", &"1;".repeat(99))
        }

        fn with(self, name: &str, text: &str) -> Self {
            std::fs::write(self.0.join(name), text).unwrap();
            self
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    async fn get(page: &Page, path: &str, asked: &[(HeaderName, &str)]) -> (StatusCode, HeaderMap, String) {
        let headers = asked.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        let (parts, body) = page.0[path].answer(&headers).into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        (parts.status, parts.headers, String::from_utf8_lossy(&bytes).into_owned())
    }

    #[tokio::test]
    async fn the_page_is_marked_and_asked_for_each_time() {
        let folder = Folder::new("marked");
        let page = Page::new(Some(&folder.0)).unwrap();
        assert!(page.has("/") && page.has("/assets/a-1.js") && !page.has("/index.html"));
        let (status, headers, text) = get(&page, "/", &[]).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers[CONTENT_TYPE], "text/html; charset=utf-8");
        assert!(text.contains(
            r#"<head>
    <meta name="b158-engine" content="v1/"><title>x"#
        ));
        assert_eq!(headers[CACHE_CONTROL], ASK);
        assert_eq!(headers["cross-origin-embedder-policy"], "require-corp");
        let tag = headers[ETAG].to_str().unwrap().trim_start_matches("W/").to_owned();
        for (tags, wanted) in
            [(tag.clone(), 304), (format!("\"x\", W/{tag}"), 304), ("*".to_owned(), 304), ("\"x\"".to_owned(), 200)]
        {
            let (status, headers, text) = get(&page, "/", &[(IF_NONE_MATCH, &tags)]).await;
            assert_eq!((status.as_u16(), text.is_empty()), (wanted, wanted == 304), "{tags}");
            assert_eq!(headers["cross-origin-embedder-policy"], "require-corp");
        }
        let (_, headers, _) = get(&page, "/assets/a-1.js", &[]).await;
        assert_eq!(headers[CACHE_CONTROL], FOR_EVER);
        assert_eq!(headers[CONTENT_TYPE], "text/javascript; charset=utf-8");
    }

    #[tokio::test]
    async fn who_takes_no_gzip_gets_the_file_all_the_same() {
        let folder = Folder::new("gzip").with("model.gguf", &"0".repeat(500));
        let packed = pack::pack(&folder.0, true).unwrap();
        let page = Page(
            packed
                .into_iter()
                .map(|file| File::new(file.path, file.gzip, &file.tag, file.bytes.into()).unwrap())
                .collect(),
        );
        assert!(page.0["/assets/a-1.js"].gzip && !page.0["/model.gguf"].gzip);
        let (_, headers, text) = get(&page, "/assets/a-1.js", &[(ACCEPT_ENCODING, "br")]).await;
        assert_eq!((headers.get(CONTENT_ENCODING), text), (None, "1;".repeat(99)));
        let (_, headers, text) = get(&page, "/assets/a-1.js", &[(ACCEPT_ENCODING, "gzip, br")]).await;
        assert_eq!(headers[CONTENT_ENCODING], "gzip");
        assert!(text.len() < 99);
    }

    #[test]
    fn a_folder_that_is_no_page_is_refused() {
        let folder = Folder::new("refused");
        for (folder, why) in [
            (folder.0.join("assets"), "there is no index.html in it"),
            (folder.0.join("nowhere"), "there is no index.html in it"),
        ] {
            assert!(Page::new(Some(&folder)).err().unwrap().contains(why));
        }
        let folder = folder.with("a b.js", "1");
        assert!(Page::new(Some(&folder.0)).err().unwrap().contains("letters, digits"));
    }

    #[test]
    fn there_is_something_to_see_in_any_case() {
        assert!(Page::new(None).unwrap().has("/"));
    }
}
