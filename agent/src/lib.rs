//! The agent: decides who may run what as whom, keeps grants, writes the audit log.
//!
//! One elevation is one straight function, [`handler`]'s `elevate`: start reading there.
#![forbid(unsafe_code)]

pub mod admission;
pub mod agent;
pub mod anchors;
pub mod audit;
pub mod begin;
pub mod bus;
pub mod clock;
pub mod conversation;
pub mod denials;
pub mod earlier;
pub mod environment;
pub mod grants;
pub mod handler;
pub mod hooks;
pub mod host_id;
pub mod hostname;
pub mod identifier;
pub mod identities;
pub mod listen;
pub mod live;
pub mod logind;
pub mod lookup;
pub mod nonces;
pub mod notices;
pub mod packed;
pub mod paths;
pub mod peer;
pub mod policy;
pub mod process;
pub mod records;
pub mod refusal;
pub mod requests;
pub mod rollback;
pub mod scope;
pub mod server;
pub mod settings;
pub mod socket;
pub mod spawner;
pub mod store;
pub mod tide;
pub mod translate;
pub mod zones;
