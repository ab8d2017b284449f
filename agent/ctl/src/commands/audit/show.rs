//! `jitctl audit show`.

use std::collections::VecDeque;
use std::hint::black_box;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use jiff::Timestamp;
use jit_audit::chain::sha256;
use jit_audit::{Event, Exit, Gap, Line, Record};
use jit_protocol::Bytes;
use serde::Serialize;

use super::files::Files;
use crate::failure::Failure;
use crate::output::{Output, command_line};

/// Show who asked, why, what ran, when it ended
#[derive(Debug, Default, Args)]
pub(crate) struct Show {
    /// Only this invoking user's (a name or #uid)
    #[arg(long, value_name = "USER")]
    pub(super) user: Option<String>,
    /// Only these events: a name (session.started) or the part before its dot (session)
    #[arg(long, value_name = "EVENT", value_parser = event)]
    pub(super) event: Option<String>,
    /// Only this session's (its id, or how that begins)
    #[arg(long, value_name = "ID")]
    pub(super) session: Option<String>,
    /// Only since this time (RFC 3339), or this long ago (90s, 15m, 1h30m, 7d)
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub(super) since: Option<Timestamp>,
    /// Only the last ones
    #[arg(short = 'n', value_name = "NUMBER")]
    pub(super) last: Option<usize>,
    /// Print an array as JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Files to read instead of the log, oldest first
    #[arg(value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
}

/// A record with the id that every list has.
#[derive(Serialize)]
struct Shown<'a> {
    id: u64,
    #[serde(flatten)]
    line: &'a Line,
}

impl Show {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let mut lines: VecDeque<Line> = VecDeque::new();
        let mut unreadable = 0_usize;
        let mut torn: Option<Gap> = None;
        Files::open(&self.files)?.for_each_line(|text| {
            let line = serde_json::from_slice::<Line>(text).ok();
            // What a crash tore is no record, and the record after it says so.
            let is_told = line.as_ref().is_some_and(|line| line.record.gap == torn);
            unreadable += usize::from(torn.take().is_some() && !is_told);
            match line {
                Some(line) if self.wants(&line.record) => {
                    lines.push_back(line);
                    if self.last.is_some_and(|last| lines.len() > last) {
                        lines.pop_front();
                    }
                }
                Some(_) => {}
                None => torn = Some(Gap { bytes: text.len() as u64, sha256: sha256(text) }),
            }
        })?;
        unreadable += usize::from(torn.is_some());
        if self.json {
            let shown: Vec<Shown<'_>> = lines.iter().map(|line| Shown { id: line.seq, line }).collect();
            output.json(&shown)?;
        } else {
            let rows: Vec<Vec<String>> = lines.iter().map(row).collect();
            let titles = ["ID", "TIME", "EVENT", "USER", "TARGET", "RULE", "SESSION", "RESULT", "COMMAND"];
            output.table(&titles, &rows, "no records")?;
        }
        if unreadable == 0 {
            return Ok(());
        }
        let plural = if unreadable == 1 { "line is no record" } else { "lines are no records" };
        Err(Failure::new(format!("{unreadable} {plural}"), "jitctl audit verify"))
    }

    fn wants(&self, record: &Record) -> bool {
        let is_user = |wanted: &String| {
            record
                .user
                .as_ref()
                .is_some_and(|user| user.name == *wanted || format!("#{}", user.uid) == *wanted)
        };
        let is_event = |wanted: &String| names(wanted, record.event);
        let is_session =
            |wanted: &String| record.session.as_ref().is_some_and(|id| id.starts_with(wanted.as_str()));
        // A time that cannot be read is shown rather than hidden.
        let is_since =
            |since: &Timestamp| Timestamp::from_str(&record.time).map_or(true, |time| time >= *since);
        self.user.as_ref().is_none_or(is_user)
            && self.event.as_ref().is_none_or(is_event)
            && self.session.as_ref().is_none_or(is_session)
            && self.since.as_ref().is_none_or(is_since)
    }
}

fn row(line: &Line) -> Vec<String> {
    let record = &line.record;
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let command: Vec<Bytes> = record.command.iter().map(|text| Bytes::from(text.as_bytes())).collect();
    let result = [
        record.result.clone(),
        record.exit.map(exit),
        record.reason.as_ref().map(|why| format!("reason: {why}")),
    ];
    vec![
        line.seq.to_string(),
        record.time.clone(),
        record.event.to_string(),
        text(&record.user.as_ref().map(|user| user.name.clone())),
        text(&record.target.as_ref().map(|target| target.user.clone())),
        text(&record.rule),
        text(&record.session.as_ref().map(|id| id.chars().take(8).collect())),
        text(
            &Some(result.into_iter().flatten().collect::<Vec<_>>().join("; "))
                .filter(|text| !text.is_empty()),
        ),
        command_line(&command),
    ]
}

fn exit(exit: Exit) -> String {
    match exit {
        Exit::Status(status) => format!("exit {status}"),
        Exit::Signal(signal) => format!("signal {signal}"),
    }
}

fn names(wanted: &str, event: Event) -> bool {
    let name = event.name();
    name == wanted || name.split('.').next() == Some(wanted)
}

fn event(text: &str) -> Result<String, String> {
    if Event::ALL.into_iter().any(|event| names(text, event)) {
        return Ok(text.to_owned());
    }
    // Nobody knows how many: a `join` of so many as it knows of, LLVM unrolls, and then takes minutes of each release build
    // to find out which bounds checks follow from others.
    let all = Event::ALL.map(Event::name);
    Err(format!("there is no such event; there are {}", black_box(all.as_slice()).join(", ")))
}

fn since(text: &str) -> Result<Timestamp, String> {
    if let Ok(duration) = jit_policy::parse_duration(text) {
        return Timestamp::now().checked_sub(duration).map_err(|_| "that is before time began".to_owned());
    }
    Timestamp::from_str(text)
        .map_err(|_| "neither a time like 2026-01-31T18:00:00Z nor a duration like 2h".to_owned())
}
