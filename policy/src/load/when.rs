//! `when`: `time = ["Mon..Fri 08:00..18:00 Europe/Berlin"]`.

use std::ops::Range;
use std::sync::Arc;

use jiff::civil::Weekday;

use super::Loader;
use super::commands::within;
use super::keys::{Keys, shared};
use super::reader::{Reader, Value};
use super::{known, login_session as login};
use crate::when::{DAY, Days, When, Window};

const FORM: &str = "write it as \"Mon..Fri 08:00..18:00\", with a time zone if need be: \"… Europe/Berlin\"";
const DAYS: &str = "days are Mon Tue Wed Thu Fri Sat Sun, as in \"Mon..Fri\" or \"Sat,Sun\"";
const HOURS: &str = "write two times of a day, from 00:00 to 24:00, as in \"08:00..18:00\"";

/// A part of a string and where it begins there.
type Word<'t> = (&'t str, usize);

/// What is wrong with a part of a window.
struct Mistake {
    at: Range<usize>,
    message: String,
    hint: &'static str,
}

impl Loader<'_> {
    /// `when`
    pub(super) fn when(&mut self, reader: &mut Reader<'_>, value: &Value<'_>, keys: &mut Keys) -> Option<()> {
        let table = reader.table(value, "when")?;
        reader.only(table, "`when`", &known::WHEN, &[]);
        keys.when = table.get("time").and_then(|time| self.time(reader, time));
        keys.origin = table.get("origin").and_then(|value| login::origins(reader, value));
        keys.remote = table.get("remote").and_then(|value| login::networks(reader, value));
        keys.session = table.get("session").and_then(|value| login::states(reader, value));
        Some(())
    }

    fn time(&mut self, reader: &mut Reader<'_>, time: &Value<'_>) -> Option<Arc<When>> {
        let texts = reader.strings(time, "time")?;
        if texts.is_empty() {
            reader.mistake(time.span(), "`time` holds no window, so that it would never hold", FORM);
        }
        let windows = texts.into_iter().filter_map(|(text, span)| self.window(reader, text, &span));
        let when = When { windows: windows.collect() };
        Some(shared(&mut self.whens, when))
    }

    fn window(&mut self, reader: &mut Reader<'_>, text: &str, span: &Range<usize>) -> Option<Window> {
        let window = window(text).and_then(|window| match window.zone.as_deref() {
            Some(zone) if self.host.has_zone(zone) == Some(false) => {
                let end = text.trim_end().len();
                let message = format!("this host knows no time zone `{zone}`");
                let hint = "names are those of the IANA database, as in Europe/Berlin or UTC";
                Err(Mistake { at: end - zone.len()..end, message, hint })
            }
            _ => Ok(window),
        });
        window
            .map_err(|Mistake { at, message, hint }| {
                let at = within(reader, text, span, at);
                reader.mistake(at, message, hint);
            })
            .ok()
    }
}

/// Days, hours and a zone, in this order; one of days and hours may be missing.
fn window(text: &str) -> Result<Window, Mistake> {
    let mut words = words(text).peekable();
    let days = words.next_if(|(word, _)| !word.contains(':')).map(days).transpose()?;
    let hours = words.next_if(|(word, _)| word.contains(':')).map(hours).transpose()?;
    let zone = words.next().map(zone).transpose()?;
    if let Some((word, at)) = words.next() {
        return Err(Mistake::new((word, at), format!("`{word}` is too much"), FORM));
    }
    if days.is_none() && hours.is_none() {
        return Err(Mistake::new((text, 0), "this is no window".to_owned(), FORM));
    }
    let (from, to) = hours.unwrap_or((0, DAY));
    Ok(Window { text: text.into(), days: days.unwrap_or(Days::ALL), from, to, zone: zone.map(Into::into) })
}

fn words(text: &str) -> impl Iterator<Item = Word<'_>> {
    text.split(' ')
        .scan(0, |at, word| {
            let start = *at;
            *at += word.len() + 1;
            Some((word, start))
        })
        .filter(|(word, _)| !word.is_empty())
}

/// `Mon..Wed,Fri`
fn days((word, start): Word<'_>) -> Result<Days, Mistake> {
    let mut days = Days::default();
    let mut at = start;
    for part in word.split(',') {
        let (first, last) = part.split_once("..").unwrap_or((part, part));
        days = days.union(Days::range(day((first, at))?, day((last, at + part.len() - last.len()))?));
        at += part.len() + 1;
    }
    Ok(days)
}

fn day((word, at): Word<'_>) -> Result<Weekday, Mistake> {
    match word {
        "Mon" => Ok(Weekday::Monday),
        "Tue" => Ok(Weekday::Tuesday),
        "Wed" => Ok(Weekday::Wednesday),
        "Thu" => Ok(Weekday::Thursday),
        "Fri" => Ok(Weekday::Friday),
        "Sat" => Ok(Weekday::Saturday),
        "Sun" => Ok(Weekday::Sunday),
        _ => Err(Mistake::new((word, at), format!("`{word}` is no day of the week"), DAYS)),
    }
}

/// `22:00..06:00`
fn hours((word, at): Word<'_>) -> Result<(u16, u16), Mistake> {
    let Some((first, last)) = word.split_once("..") else {
        return Err(Mistake::new((word, at), format!("`{word}` has no end"), HOURS));
    };
    let from = time((first, at))?;
    let to = time((last, at + word.len() - last.len()))?;
    if from == DAY {
        return Err(Mistake::new((first, at), "a day begins at 00:00".to_owned(), HOURS));
    }
    if from == to {
        let hint = "write 00:00..24:00 for whole days, or leave the hours out";
        return Err(Mistake::new((word, at), "this window ends where it begins".to_owned(), hint));
    }
    Ok((from, to))
}

/// Two digits each, up to 24:00.
fn time((word, at): Word<'_>) -> Result<u16, Mistake> {
    let two = |digits: &str, below: u16| {
        let plain = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse::<u16>().ok().filter(|number| plain && *number < below)
    };
    let parts = word.split_once(':');
    let minutes = parts.and_then(|(hour, minute)| Some(two(hour, 25)? * 60 + two(minute, 60)?));
    minutes
        .filter(|minutes| *minutes <= DAY)
        .ok_or_else(|| Mistake::new((word, at), format!("`{word}` is no time of a day"), HOURS))
}

/// Never a path out of the folder of zones.
fn zone((word, at): Word<'_>) -> Result<&str, Mistake> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-".contains(&byte);
    let is_name = |part: &str| !part.is_empty() && part.bytes().all(plain);
    if word.split('/').all(is_name) {
        return Ok(word);
    }
    Err(Mistake::new((word, at), format!("`{word}` is not the name of a time zone"), FORM))
}

impl Mistake {
    fn new((word, at): Word<'_>, message: String, hint: &'static str) -> Self {
        Self { at: at..at + word.len(), message, hint }
    }
}
