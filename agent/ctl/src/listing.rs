//! `--json` and `--watch`: what the lists of the agent have in common.

use std::io;
use std::os::fd::AsFd;

use clap::Args;
use jiff::Timestamp;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use serde::Serialize;

use crate::failure::Failure;
use crate::ids;
use crate::output::{Output, Screen, table};

/// Between two looks: each is one short connection to the agent.
const PAUSE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// How a list is shown.
#[derive(Debug, Args)]
pub(crate) struct Listing {
    /// Print an array as JSON; with --watch one on each line
    #[arg(long)]
    pub(crate) json: bool,
    /// Show it again whenever it changes, until interrupted (Ctrl-C)
    #[arg(long)]
    pub(crate) watch: bool,
}

/// What a list is made of.
pub(crate) trait Listed: Serialize + PartialEq {
    /// Over its columns. The first is the id's.
    const TITLES: &'static [&'static str];
    /// Said where there is none.
    const NONE: &'static str;
    /// Its id.
    fn id(&self) -> &str;
    /// Its cells.
    fn row(&self, seen: Seen) -> Vec<String>;
}

/// How it is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    /// When.
    pub(crate) now: Timestamp,
    /// How many digits of an id are shown.
    pub(crate) digits: usize,
}

impl Listing {
    /// Shows what `ask` answers.
    pub(crate) fn run<T: Listed>(
        &self,
        output: &mut Output,
        mut ask: impl FnMut() -> Result<Vec<T>, Failure>,
    ) -> Result<(), Failure> {
        let first = ask()?;
        if self.watch {
            return self.follow(first, output, ask, || pause(PAUSE));
        }
        self.show(&first, output)
    }

    fn show<T: Listed>(&self, list: &[T], output: &mut Output) -> Result<(), Failure> {
        match (self.json, self.watch) {
            (true, false) => output.json(&list),
            (true, true) => output.json_line(&list),
            (false, _) => output.lines(&as_table(list, output.screen(), Timestamp::now())),
        }
    }

    /// On a terminal the list is drawn anew as time passes. Elsewhere it is printed again when what it lists has changed.
    fn follow<T: Listed>(
        &self,
        first: Vec<T>,
        output: &mut Output,
        mut ask: impl FnMut() -> Result<Vec<T>, Failure>,
        mut pause: impl FnMut() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut drawn = String::new();
        let mut printed: Option<Vec<T>> = None;
        let mut now = Ok(first);
        loop {
            if let Some(screen) = output.screen().filter(|_| !self.json) {
                let text = match &now {
                    Ok(list) => as_table(list, Some(screen), Timestamp::now()),
                    Err(why) => Failure::shown(why),
                };
                if text != drawn {
                    output.redraw(&text, screen)?;
                    drawn = text;
                }
            } else if let Ok(list) = now
                && printed.as_ref() != Some(&list)
            {
                // Where the agent does not answer, it may be upgraded at this moment: what was printed stands.
                if printed.is_some() && !self.json {
                    output.text("")?;
                }
                self.show(&list, output)?;
                output.flush()?;
                printed = Some(list);
            }
            pause()?;
            now = match ask() {
                Err(other) if !matches!(other, Failure::Refused { .. }) => return Err(other),
                answer => answer,
            };
        }
    }
}

fn as_table<T: Listed>(list: &[T], screen: Option<Screen>, now: Timestamp) -> String {
    let digits = screen.map_or(usize::MAX, |_| ids::enough(&list.iter().map(Listed::id).collect::<Vec<_>>()));
    let rows: Vec<Vec<String>> = list.iter().map(|item| item.row(Seen { now, digits })).collect();
    let (titles, rows) = without_empty(T::TITLES, &rows);
    table(&titles, &rows, T::NONE, screen)
}

/// Leaves out columns that say nothing in any row.
fn without_empty(
    titles: &'static [&'static str],
    rows: &[Vec<String>],
) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let says = |column: &usize| rows.iter().any(|row| row.get(*column).is_some_and(|cell| !cell.is_empty()));
    let kept: Vec<usize> = (0..titles.len()).filter(says).collect();
    let titles = kept.iter().filter_map(|column| titles.get(*column).copied()).collect();
    let rows = rows.iter().map(|row| kept.iter().filter_map(|column| row.get(*column).cloned()).collect());
    (titles, rows.collect())
}

/// Waits so long; an end if nobody reads what is printed any more, as on a terminal that is gone.
pub(crate) fn pause(time: Timespec) -> Result<(), Failure> {
    let stdout = io::stdout();
    let mut reader = [PollFd::from_borrowed_fd(stdout.as_fd(), PollFlags::empty())];
    match retry_on_intr(|| poll(&mut reader, Some(&time))) {
        Ok(0) => Ok(()),
        _ => Err(Failure::NobodyReads),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::Captured;

    #[derive(Debug, Clone, PartialEq, Serialize)]
    struct Item {
        id: &'static str,
        why: &'static str,
    }

    impl Listed for Item {
        const TITLES: &'static [&'static str] = &["ID", "NOTHING", "WHY"];
        const NONE: &'static str = "no items";

        fn id(&self) -> &str {
            self.id
        }

        fn row(&self, seen: Seen) -> Vec<String> {
            vec![ids::short(self.id, seen.digits), String::new(), self.why.to_owned()]
        }
    }

    const ITEM: Item = Item { id: "0123456789abcdef", why: "a\x1b[2Jb" };

    const SCREEN: fn() -> Option<Screen> = || Some(Screen { rows: 24, columns: 80 });

    /// What is shown of these answers, one after another, until the reader leaves.
    fn followed(json: bool, on: fn() -> Option<Screen>, answers: &[Result<Vec<Item>, ()>]) -> String {
        let captured = Captured::default();
        let mut answers = answers.iter();
        let first = answers.next().unwrap().clone().unwrap();
        let ask = || match answers.next() {
            Some(Ok(list)) => Ok(list.clone()),
            Some(Err(())) => Err(Failure::new("the agent is not running", "")),
            None => Err(Failure::NobodyReads),
        };
        let listing = Listing { json, watch: true };
        let end = listing.follow(first, &mut captured.output_on(on), ask, || Ok(()));
        assert!(matches!(end, Err(Failure::NobodyReads)));
        captured.text()
    }

    #[test]
    fn ids_are_short_on_a_terminal_alone() {
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(as_table(&[ITEM], SCREEN(), now), "ID        WHY\n01234567  a\\x1b[2Jb\n");
        assert_eq!(as_table(&[ITEM], None, now), "ID                WHY\n0123456789abcdef  a\\x1b[2Jb\n");
        assert_eq!(as_table::<Item>(&[], None, now), "no items\n");
    }

    #[test]
    fn without_a_terminal_a_list_is_printed_again_when_it_has_changed() {
        let answers = [Ok(vec![ITEM]), Ok(vec![ITEM]), Err(()), Ok(vec![ITEM]), Ok(vec![])];
        let text = followed(false, || None, &answers);
        assert_eq!(text, "ID                WHY\n0123456789abcdef  a\\x1b[2Jb\n\nno items\n");
        let text = followed(true, || None, &answers);
        assert_eq!(text, "[{\"id\":\"0123456789abcdef\",\"why\":\"a\\u001b[2Jb\"}]\n[]\n");
    }

    #[test]
    fn on_a_terminal_it_takes_the_place_of_the_one_before() {
        let text = followed(false, SCREEN, &[Ok(vec![ITEM]), Ok(vec![ITEM]), Err(()), Ok(vec![])]);
        let pictures: Vec<&str> = text.split("\x1b[H\x1b[J").collect();
        let list = "ID        WHY\n01234567  a\\x1b[2Jb\n";
        assert_eq!(pictures, ["", list, "the agent is not running\n", "no items\n"]);
    }
}
