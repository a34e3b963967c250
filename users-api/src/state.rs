//! The state that all resolvers share.

use std::sync::Arc;

use async_graphql::{Context, dataloader::DataLoader};
use schema::{BatchLoader, Security};
use sea_orm::DatabaseConnection;
use server::read_pool::ReadPool;

use crate::{
    loaders::UserLoader, offers_client::OffersClient, passwords::PasswordHasher,
    sessions::Sessions, throttle::Throttle,
};

/// The state that all resolvers share.
pub(crate) struct UsersState {
    pub(crate) security: Security,
    pub(crate) database: DatabaseConnection,
    pub(crate) reads: ReadPool,
    pub(crate) user_by_id: DataLoader<BatchLoader<UserLoader>>,
    pub(crate) user_by_username: DataLoader<BatchLoader<UserLoader>>,
    pub(crate) user_pages: DataLoader<BatchLoader<UserLoader<ReadPool>>>,
    pub(crate) offers: OffersClient,
    pub(crate) hasher: PasswordHasher,
    pub(crate) throttle: Throttle,
    pub(crate) sessions: Arc<Sessions>,
}

impl UsersState {
    pub(crate) fn from_ctx<'a>(ctx: &Context<'a>) -> &'a Self {
        ctx.data_unchecked::<Arc<Self>>()
    }
}
