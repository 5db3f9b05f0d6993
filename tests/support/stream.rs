//! A streamed HTTP response: server-sent events and multipart.

use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, Url};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{RESPONSE_TIMEOUT, TIMEOUT};

/// A streamed response.
pub struct Stream {
    pub status: u16,
    pub headers: HeaderMap,
    response: reqwest::Response,
    text: String,
}

/// A block of an event stream, between two empty lines.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Block {
    pub event: Option<String>,
    pub id: Option<String>,
    pub data: Option<String>,
    pub retry: Option<String>,
    pub comment: Option<String>,
}

impl Stream {
    /// Sends a request. Returns once the head of the response has arrived.
    pub async fn open(request: RequestBuilder) -> Self {
        Self::try_open(request).await.expect("a response")
    }

    /// Like [`open`](Self::open), but returns `None` if the server is gone.
    pub async fn try_open(request: RequestBuilder) -> Option<Self> {
        let response = request.send().await.ok()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Some(Self { status, headers, response, text: String::new() })
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}")).to_str().expect("text")
    }

    /// Returns the text up to and including `end`, or `None` if the stream ends before.
    pub async fn until(&mut self, end: &str) -> Option<String> {
        loop {
            if let Some(at) = self.text.find(end) {
                let rest = self.text.split_off(at + end.len());
                return Some(std::mem::replace(&mut self.text, rest));
            }
            let chunk = timeout(TIMEOUT, self.response.chunk()).await.expect("a chunk in time");
            self.text.push_str(std::str::from_utf8(&chunk.ok().flatten()?).expect("text"));
        }
    }

    /// Waits for the end of the stream and returns the remaining text.
    pub async fn rest(mut self) -> String {
        assert_eq!(self.until("\u{0}").await, None);
        self.text
    }

    /// The next block of an event stream.
    pub async fn block(&mut self) -> Option<Block> {
        let text = self.until("\n\n").await?;
        let mut block = Block::default();
        for line in text.trim_end().lines() {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = Some(value.strip_prefix(' ').unwrap_or(value).to_owned());
            match name {
                "event" => block.event = value,
                "id" => block.id = value,
                "data" => block.data = value,
                "retry" => block.retry = value,
                "" => block.comment = value,
                _ => panic!("an unexpected line in an event stream: {line:?}"),
            }
        }
        Some(block)
    }

    /// The id and data of the next block, which must be a `next` event.
    pub async fn next(&mut self) -> (Option<String>, Value) {
        let block = self.block().await.expect("a block");
        assert_eq!(block.event.as_deref(), Some("next"), "{block:?}");
        (block.id, serde_json::from_str(&block.data.expect("data")).expect("JSON"))
    }

    /// Asserts that the next block is a `complete` event and that nothing follows.
    pub async fn assert_completes(mut self) {
        let block = self.block().await.expect("a last block");
        assert_eq!((block.event.as_deref(), block.data.as_deref()), (Some("complete"), Some("")), "{block:?}");
        assert_eq!(self.rest().await, "");
    }
}

/// A client with connections of its own. A request fails if nothing arrives for too long; the whole response has no deadline.
pub fn http() -> reqwest::Client {
    reqwest::Client::builder().read_timeout(RESPONSE_TIMEOUT).build().expect("a client")
}

/// A GraphQL request by POST that accepts `media_type`.
pub fn post(url: &str, media_type: &str, query: &str, variables: Value) -> RequestBuilder {
    http().post(url).header("accept", media_type).json(&json!({ "query": query, "variables": variables }))
}

/// A GraphQL request by GET.
pub fn get(url: &str, query: &str) -> RequestBuilder {
    http().get(Url::parse_with_params(url, [("query", query)]).expect("an address"))
}

/// Adds parameters to the URL of a request.
pub trait WithQuery {
    fn query<N: AsRef<str>, V: AsRef<str>>(self, parameters: &[(N, V)]) -> Self;
}

impl WithQuery for RequestBuilder {
    fn query<N: AsRef<str>, V: AsRef<str>>(self, parameters: &[(N, V)]) -> Self {
        let (client, request) = self.build_split();
        let mut request = request.expect("a request");
        request.url_mut().query_pairs_mut().extend_pairs(parameters);
        Self::from_parts(client, request)
    }
}
