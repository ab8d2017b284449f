//! `jitctl`: what the administrator, and each user for their own, asks of the agent or of files.
//!
//! One file a command, under `commands/`; its doc comment is its help. What the agent answers is printed by
//! `output.rs`, what goes wrong by `failure.rs`: nowhere else is anything printed.

mod agent;
mod commands;
mod failure;
mod ids;
mod listing;
mod output;
mod place;
mod policy_source;
mod shown;
mod times;
mod zones;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use jit_protocol::escape_lines;

use crate::commands::{
    approve, audit, deny, grants, policy, reload, request, requests, revoke, sessions, status, token,
};
use crate::failure::{Failure, USAGE};
use crate::output::Output;

/// Administers jit-sudo: grants, sessions, policy and the audit log.
///
/// Everyone sees and ends what is their own; everything else needs root (`jit-sudo jitctl …`).
/// Exit status: 0 done, 1 refused or failed, 2 usage.
#[derive(Debug, Parser)]
#[command(name = "jitctl", version, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Status(status::Status),
    Grants(grants::Grants),
    Sessions(sessions::Sessions),
    Requests(requests::Requests),
    Request(request::Request),
    Approve(approve::Approve),
    Deny(deny::Deny),
    Revoke(revoke::Revoke),
    #[command(subcommand)]
    Token(token::Token),
    Reload(reload::Reload),
    #[command(subcommand)]
    Policy(policy::Policy),
    #[command(subcommand)]
    Audit(audit::Audit),
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let mut output = Output::standard();
    let result = match arguments.command {
        Command::Status(status) => status.run(&mut output),
        Command::Grants(grants) => grants.run(&mut output),
        Command::Sessions(sessions) => sessions.run(&mut output),
        Command::Requests(requests) => requests.run(&mut output),
        Command::Request(request) => request.run(),
        Command::Approve(approve) => approve.run(&mut output),
        Command::Deny(deny) => deny.run(&mut output),
        Command::Revoke(revoke) => revoke.run(&mut output),
        Command::Token(token) => token.run(&mut output),
        Command::Reload(reload) => reload.run(&mut output),
        Command::Policy(policy) => policy.run(&mut output),
        Command::Audit(audit) => audit.run(&mut output),
    };
    match result.and_then(|()| output.finish()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Help and version as clap prints them; a mistake escaped, because it repeats what was typed.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        return match error.print() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    Failure::usage(escape_lines(error.render().to_string().trim_end())).report();
    ExitCode::from(USAGE)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_grammar_is_consistent() {
        Arguments::command().debug_assert();
    }
}
