//! The page, built by Vite and embedded.
//!
//! In: nothing but its own sources, which `build.rs` hands to npm. Out: [`asset`], the bytes of any file of the page, for the web
//! server to answer with. It opens no files at run time, speaks no HTTP and knows nothing of topics; the page's own code (TypeScript
//! and Svelte, beside this file) talks to the server through the routes of `weir-web`.
//!
//! Every address of the page (`/`, `/t/{topic}`) is answered with the asset `index.html`; the page reads the address itself.

use std::borrow::Cow;

/// One file of the page, ready to be answered with.
#[derive(Debug, Clone)]
pub struct Asset {
    /// The file as it is.
    pub bytes: Cow<'static, [u8]>,
    /// The same bytes gzipped, where that is smaller (`Content-Encoding: gzip`).
    pub gzip: Option<&'static [u8]>,
    /// The value of `Content-Type`.
    pub mime: &'static str,
    /// The value of `ETag`, quotes included.
    pub etag: &'static str,
    /// The name holds a hash of the content, so that a browser may keep the file for ever.
    pub immutable: bool,
}

struct Embedded {
    path: &'static str,
    plain: &'static [u8],
    gzip: Option<&'static [u8]>,
    etag: &'static str,
    immutable: bool,
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The file of the page at `path` (`index.html`, `assets/…`; a leading `/` is passed over), or `None` where there is none.
pub fn asset(path: &str) -> Option<Asset> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let found = EMBEDDED.iter().find(|embedded| embedded.path == path)?;
    Some(Asset {
        bytes: Cow::Borrowed(found.plain),
        gzip: found.gzip,
        mime: mime(path),
        etag: found.etag,
        immutable: found.immutable,
    })
}

fn mime(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json" | "webmanifest") => "application/json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_there_with_or_without_npm() {
        let page = asset("index.html").expect("every build has a page");
        assert_eq!(page.mime, "text/html; charset=utf-8");
        assert!(
            page.bytes.starts_with(b"<!doctype html>"),
            "{:?}",
            page.bytes.get(..40)
        );
        assert!(
            !page.immutable,
            "its name has no hash, so a browser must ask again"
        );
    }

    #[test]
    fn a_leading_slash_makes_no_difference() {
        assert_eq!(
            asset("/index.html").map(|a| a.etag),
            asset("index.html").map(|a| a.etag)
        );
    }

    #[test]
    fn what_is_not_there_is_none_and_no_path_leads_out() {
        for path in [
            "",
            "/",
            "nothing.js",
            "../Cargo.toml",
            "//index.html",
            "assets/",
        ] {
            assert!(asset(path).is_none(), "{path}");
        }
    }

    #[test]
    fn the_whole_page_is_under_120_kb_gzipped() {
        let total: usize = EMBEDDED
            .iter()
            .map(|file| file.gzip.map_or(file.plain.len(), <[u8]>::len))
            .sum();
        assert!(total < 120 * 1024, "{total} bytes");
    }

    #[test]
    fn entity_tags_are_quoted_and_differ() {
        let mut tags: Vec<_> = EMBEDDED.iter().map(|file| file.etag).collect();
        assert!(
            tags.iter()
                .all(|tag| tag.len() == 18 && tag.starts_with('"') && tag.ends_with('"'))
        );
        let count = tags.len();
        tags.sort_unstable();
        tags.dedup();
        assert_eq!(tags.len(), count);
    }
}
