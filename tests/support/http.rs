//! An HTTP client that returns responses unchanged.

use std::net::IpAddr;

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use super::http_client;

/// A client of one server. It follows no redirects, so that tests see them.
pub struct Client {
    base: String,
    http: reqwest::Client,
}

/// A response.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Client {
    pub fn of(base: &str) -> Self {
        let http = http_client().redirect(Policy::none()).build().expect("a client");
        Self { base: base.to_owned(), http }
    }

    /// A client with this local address. Every address in 127.0.0.0/8 works.
    pub fn from_address(base: &str, address: IpAddr) -> Self {
        let http = http_client().redirect(Policy::none()).local_address(address).build();
        Self { base: base.to_owned(), http: http.expect("a client") }
    }

    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        self.http.request(method, format!("{}{path}", self.base))
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::receive(self.request("GET", path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_text(path, &body.to_string()).await
    }

    /// Posts text, which may be invalid, as JSON.
    pub async fn post_text(&self, path: &str, body: &str) -> Answer {
        Answer::receive(self.request("POST", path).header(CONTENT_TYPE, "application/json").body(body.to_owned())).await
    }
}

impl Answer {
    /// Sends a request and receives its response.
    pub async fn receive(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("a response");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, body: response.text().await.expect("a body") }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("a readable header"))
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.body))
    }
}
