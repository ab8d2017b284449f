//! Policy: parse, check, index, evaluate, explain.
//!
//! The crate is pure: it has no clock, asks no operating system, opens no file. The caller hands in the texts of
//! the policy files, the time and its [`Zones`], the accounts and a [`Directory`] that answers for groups and users.
//!
//! ```text
//! Source ── Policy::load ──▶ Policy ── evaluate(Request, Directory) ──▶ Decision ── choose ──▶ Candidate
//!                │              ├──── explain ──▶ Explanation
//!                ▼              ├──── eligible ─▶ rules of one user
//!           Diagnostics         └──── login, gated
//! ```
//!
//! What a rule may say is described for administrators in `docs/policy.md`. Three principles hold everywhere:
//! a deny always wins; the order of rules and files never matters; nothing is parsed and ignored.
#![forbid(unsafe_code)]

mod account;
mod approval;
mod decision;
mod diagnostics;
mod diff;
mod duration;
mod eligible;
mod evaluate;
mod explain;
mod format;
pub mod import;
mod index;
mod lint;
mod load;
mod login;
mod login_session;
mod meaning;
mod pattern;
mod policy;
mod policy_test;
mod request;
mod rule;
mod sha256;
mod sometime;
mod source;
mod unseen;
mod variables;
mod when;

pub use account::{Account, Directory, Group, Host, LookupFailed};
pub use approval::{Approval, Binding, is_own};
pub use decision::{Candidate, Decision, Denial, Missing, Why, choose};
pub use diagnostics::{Diagnostic, Diagnostics, Place};
pub use diff::{Change, ChangedKey, Difference, RuleRef};
pub use duration::{InvalidDuration, LONGEST, format_duration, parse_duration};
pub use eligible::RuleText;
pub use explain::{Considered, Explanation, Failure};
pub use format::format;
pub use lint::{Code, Finding, LintAccount, LintFile, LintHost, Severity};
pub use login::{Access, Gated, LoginDecision, LoginRule};
pub use login_session::{LoginSession, Origin, Remote};
pub use policy::Policy;
pub use policy_test::{PolicyTest, TestResult};
pub use request::{Asked, Command, EDIT, Request, Resolved, Target};
pub use rule::{
    AllowCwd, AuthenticateAs, Authentication, Cwd, Effect, EnvPattern, Grant, Leftover, OnExpiry, Reason,
    Require, Restrict, Rule, Scope, Umask,
};
pub use sha256::Sha256;
pub use source::{AsWritten, DropIn, Folder, Selected, Source, Surroundings, select_drop_ins};
pub use variables::is_dangerous_variable;
pub use when::{NoZones, Zones};

#[cfg(test)]
mod tests;
