//! The metrics of a server.

use std::collections::BTreeMap;

use super::http::Client;
use super::server::Server;

/// One scrape of `/metrics`.
pub struct Scrape(pub String);

impl Scrape {
    pub async fn of(server: &Server) -> Self {
        let answer = Client::of(&server.url("")).get("/metrics").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let media_type = answer.header("content-type").expect("a media type");
        assert!(media_type.starts_with("application/openmetrics-text; version=1.0.0"), "{media_type}");
        assert!(answer.body.ends_with("# EOF\n"));
        Self(answer.body)
    }

    /// Name, labels and value of every series.
    pub fn series(&self) -> impl Iterator<Item = (&str, BTreeMap<&str, &str>, f64)> {
        self.0.lines().filter(|line| !line.starts_with('#')).map(|line| {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let labels = labels.trim_end_matches('}').split("\",").filter_map(|label| label.split_once("=\""));
            let labels = labels.map(|(name, value)| (name, value.trim_end_matches('"'))).collect();
            (name, labels, value.parse().expect("a number"))
        })
    }

    /// The value of the series with this name and exactly these labels.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let labels: BTreeMap<_, _> = labels.iter().copied().collect();
        let found: Vec<_> = self.series().filter(|(known, with, _)| *known == name && *with == labels).collect();
        let [(_, _, value)] = found[..] else { panic!("{} of {name} {labels:?} in\n{}", found.len(), self.0) };
        value
    }

    /// How often an operation had this outcome.
    pub fn operations(&self, api: &str, operation: &str, outcome: &str) -> f64 {
        let labels = [("api", api), ("operation", operation), ("outcome", outcome)];
        self.value("livechat_operations_total", &labels)
    }
}
