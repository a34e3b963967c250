//! What a hundred times the rows cost, and a page in the middle of many. `bench/run-large.sh` prepares both.

use std::net::SocketAddr;

use crate::{
    Plan,
    cases::{Case, Group, Work, request},
    load::http,
    process::Process,
};

/// Both services on a large database.
pub(crate) struct Large(pub(crate) (Process, Process));

impl Large {
    /// What is compared, with the same routes at `small`.
    pub(crate) fn groups(&self, plan: &Plan, small: SocketAddr) -> [Group; 2] {
        let Self((users, _)) = self;
        let middle = plan.middle;
        let user = |name, address, users: u64| Case {
            name,
            // The first user has too many offers.
            work: Work::Http(
                address,
                request(move |n| http(&format!("/user/{}/", n % (users - 1) + 2), None)),
            ),
            watched: vec![],
        };
        let page = |name, after: i64| Case {
            name,
            work: Work::Http(
                users.address,
                request(move |_| {
                    http(&format!("/user/1/?offers_limit=100&offers_after={after}"), None)
                }),
            ),
            watched: vec![],
        };
        [
            Group {
                name: "GET /user/{id}/ by the number of users, 32 connections",
                connections: 32,
                cases: vec![
                    user("the usual number", small, plan.users),
                    user("the large number", users.address, plan.large_users),
                ],
            },
            Group {
                name: "GET /user/{id}/ of a user with 100,000 offers, 100 a page, 8 connections",
                connections: 8,
                cases: vec![page("the first page", 0), page("a page in the middle", middle)],
            },
        ]
    }
}
