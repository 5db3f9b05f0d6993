//! How the chat page and the page of the legacy routes are served.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::support::server::{Server, command};
use crate::support::stream::{Stream, http};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: https:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types 'none'";

const PAGE: &str = include_str!("../../src/web/chat/index.html");
const DOCS: &str = include_str!("../../src/web/docs/index.html");

/// The URLs between `before` and `after` in a text.
fn urls_between<'a>(text: &'a str, before: &str, after: char) -> Vec<&'a str> {
    text.split(before).skip(1).filter_map(|rest| rest.split(after).next()).collect()
}

#[tokio::test]
async fn every_file_has_a_strict_policy_and_is_revalidated() {
    let server = Server::embedded();
    let mut paths = vec!["/".to_owned(), "/docs".to_owned()];
    for page in [PAGE, DOCS] {
        paths.extend(urls_between(page, "=\"./", '"').iter().map(|url| format!("/{url}")));
    }
    paths.retain(|path| !path.ends_with(".json"));
    // Modules import other modules.
    let mut at = 0;
    while let Some(path) = paths.get(at).cloned() {
        let answer = Stream::open(http().get(server.url(&path))).await;
        assert_eq!(answer.status, 200, "{path}");
        let media_type = match path.rsplit('.').next() {
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "text/html; charset=utf-8",
        };
        for (name, value) in [
            ("content-type", media_type),
            ("content-security-policy", POLICY),
            ("cache-control", "no-cache"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(answer.header(name), value, "{name} of {path}");
        }
        let tag = answer.header("etag").to_owned();
        for (known, status) in [(tag.clone(), 304), (format!("\"other\", W/{tag}"), 304), ("\"other\"".to_owned(), 200)]
        {
            let again = Stream::open(http().get(server.url(&path)).header("if-none-match", &known)).await;
            assert_eq!(again.status, status, "{path} with {known} cached");
            assert_eq!(again.header("content-security-policy"), POLICY);
        }
        let text = answer.rest().await;
        let beside = urls_between(&text, " from './", '\'').into_iter().map(|name| {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{folder}/{name}")
        });
        let elsewhere = urls_between(&text, " from '../", '\'').into_iter().map(|name| format!("/{name}"));
        for module in beside.chain(elsewhere) {
            if !paths.contains(&module) {
                paths.push(module);
            }
        }
        at += 1;
    }
    assert!(paths.len() > 25, "{paths:?}");
}

#[tokio::test]
async fn pages_have_no_inline_script_or_style_and_only_relative_urls() {
    for page in [PAGE, DOCS] {
        assert_eq!(page.matches("<script").count(), page.matches("<script type=\"module\" src=\"./").count());
        for forbidden in ["<style", " style=", " onclick=", " onload=", "=\"/", "://"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
    }
}

#[tokio::test]
async fn page_contains_the_length_limits() {
    for (settings, text, name) in
        [(&[][..], "4000", "64"), (&[("TEXT_MAX_LENGTH", "280"), ("DISPLAY_NAME_MAX_LENGTH", "20")][..], "280", "20")]
    {
        let server = Server::with(settings);
        let page = Stream::open(http().get(server.url("/"))).await.rest().await;
        for (what, limit) in [("text", text), ("display-name", name)] {
            let named = format!("<meta name=\"{what}-max-length\" content=\"{limit}\">");
            assert!(page.contains(&named), "{named}");
        }
    }
}

#[test]
fn startup_prints_three_lines() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut process =
        command(directory.path(), &[]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the binary");
    let mut output = BufReader::new(process.stdout.take().expect("a pipe"));
    let mut line = || {
        let mut line = String::new();
        output.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    };
    let lines = [line(), line(), line()];
    process.kill().and_then(|()| process.wait()).expect("its end");
    let chat = lines[0].strip_prefix("Chat page  http://127.0.0.1:").expect("the address of the chat page");
    // A note follows if GraphiQL is not built in.
    assert!(lines[1].starts_with(&format!("GraphiQL   http://127.0.0.1:{chat}graphiql")), "{}", lines[1]);
    assert!(lines[2].starts_with("Store      embedded, in "), "{}", lines[2]);
}
