//! Tests of the whole crate: policies as text, requests as short expressions.

mod approval;
mod commands;
mod decide;
mod diagnostics;
mod diff;
mod edits;
mod equivalence;
mod explain;
mod format;
mod generated;
mod lint;
mod login;
mod login_session;
mod meaning;
mod mistakes;
mod naive;
mod odd_texts;
mod pins;
mod policy_tests;
mod properties;
mod scale;
pub(crate) mod support;
mod when;
mod whole;
