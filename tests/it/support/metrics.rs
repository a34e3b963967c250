//! Reads the metrics of a service.

use super::client::ApiClient;

/// Returns the sum of a counter over all label sets for which `matches` returns true.
pub(crate) async fn counter(api: &ApiClient, name: &str, matches: impl Fn(&str) -> bool) -> u64 {
    let text = api.get("/metrics").await.expect(200).text();
    let samples = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let (labels, value) = match rest.strip_prefix('{') {
            Some(rest) => rest.split_once("} ")?,
            None => ("", rest.strip_prefix(' ')?),
        };
        matches(labels).then(|| value.parse::<u64>().unwrap())
    });
    samples.sum()
}
