//! The commands, one file each.

pub(crate) mod approve;
pub(crate) mod audit;
pub(crate) mod deny;
pub(crate) mod grants;
pub(crate) mod policy;
pub(crate) mod reload;
pub(crate) mod request;
pub(crate) mod requests;
pub(crate) mod revoke;
pub(crate) mod sessions;
pub(crate) mod status;
pub(crate) mod token;
mod wish;
