//! Work-arounds for defects of async-graphql 8.0.0-rc.5, a file each.
//!
//! Each file names the function at fault and the upstream issue, if there is one, and has a test named
//! `upstream_…` that runs the plain library. Such a test fails once the defect is fixed: delete the
//! file, its call and the test then.

pub(crate) mod messages;
pub(crate) mod mutation_fields;
pub(crate) mod omitted_variables;
pub(crate) mod subscription_fragments;
pub(crate) mod unknown_default_types;
