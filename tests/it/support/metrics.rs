//! What a service counts of itself.

use crate::support::client::Api;

/// The sum of a counter over all label sets of which `wanted` approves.
pub(crate) async fn counter(api: &Api, name: &str, wanted: impl Fn(&str) -> bool) -> u64 {
    let text = api.get("/metrics").await.expect(200).text();
    let samples = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let (labels, value) = match rest.strip_prefix('{') {
            Some(rest) => rest.split_once("} ")?,
            None => ("", rest.strip_prefix(' ')?),
        };
        wanted(labels).then(|| value.parse::<u64>().unwrap())
    });
    samples.sum()
}
