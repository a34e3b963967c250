//! What a service counts of itself.

use crate::client::Api;

/// The sum of a counter over all label sets of which `wanted` approves.
pub(crate) async fn counter(api: &Api, name: &str, wanted: impl Fn(&str) -> bool) -> u64 {
    let text = api.get("/metrics").await.expect(200).text();
    let mut found = false;
    let mut sum = 0;
    for line in text.lines() {
        let Some(rest) = line.strip_prefix(name) else { continue };
        let (labels, value) = match rest.strip_prefix('{') {
            Some(rest) => rest.split_once("} ").unwrap(),
            None => ("", rest.strip_prefix(' ').unwrap_or_default()),
        };
        // Another metric whose name begins alike has neither a brace nor a space here.
        let Ok(value) = value.trim().parse::<u64>() else { continue };
        found = true;
        if wanted(labels) {
            sum += value;
        }
    }
    assert!(found || text.contains(name.trim_end_matches("_total")), "{name} is missing: {text}");
    sum
}
