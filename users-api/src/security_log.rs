//! The actions of this service in the security log.

use server::security_log::Action;

pub(crate) const REGISTER: Action = Action { name: "register", failure: "user_created" };
pub(crate) const UPDATE_USER: Action = Action { name: "update_user", failure: "user_updated" };
pub(crate) const DELETE_USER: Action = Action { name: "delete_user", failure: "user_deleted" };
pub(crate) const CHANGE_PASSWORD: Action =
    Action { name: "change_password", failure: "authn_password_change_fail" };
pub(crate) const LOG_IN: Action = Action { name: "log_in", failure: "authn_login_fail" };
pub(crate) const LOG_OUT: Action = Action { name: "log_out", failure: "authz_fail" };
pub(crate) const REFRESH: Action = Action { name: "refresh", failure: "authz_fail" };
pub(crate) const REUSE_TOKEN: Action = Action { name: "refresh", failure: "authn_token_reuse" };
