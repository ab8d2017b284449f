//! `Defaults`, for all or for some.

use crate::import::ast::{Defaults, Scope, Setting, Value};
use crate::import::scan::Read;

use super::Parser;

impl Parser<'_> {
    /// After the word `Defaults`.
    pub(super) fn defaults(&mut self, start: usize) -> Read<()> {
        let at = self.place(start);
        let begin = self.scan.at();
        let scope = if self.scan.take(":") {
            Scope::Users(self.users()?)
        } else if self.scan.take(">") {
            Scope::RunAs(self.users()?)
        } else if self.scan.take("@") {
            Scope::Hosts(self.hosts()?)
        } else if self.scan.take("!") {
            let list = self.list(|parser| {
                let start = parser.scan.at();
                // No arguments may stand here: what follows are settings.
                let what = parser.command_without_arguments()?;
                what.ok_or_else(|| parser.scan.mistake_since(start, "this is not a command", ""))
            })?;
            Scope::Commands(list)
        } else {
            Scope::All
        };
        if matches!(scope, Scope::All) {
            if !self.scan.blanks() {
                return Err(self.scan.expected("a blank after `Defaults`"));
            }
        } else if !self.scan.clone().line_end() && !is_scope(self.scan.text_from(begin)) {
            let hint = "in the list blanks stand beside commas only, and one stands after it";
            return Err(self.scan.mistake_since(begin, "this is not for whom settings can be", hint));
        }
        let mut settings = Vec::new();
        loop {
            self.scan.blanks();
            settings.push(self.setting()?);
            self.scan.blanks();
            if !self.scan.take(",") {
                break;
            }
        }
        self.sudoers.defaults.push(Defaults { at, scope, settings });
        Ok(())
    }

    fn setting(&mut self) -> Read<Setting> {
        let off = self.scan.negation()?;
        let name = self.scan.take_while(|char| char.is_ascii_lowercase() || char == '_').to_owned();
        if name.is_empty() {
            return Err(self.scan.expected("the name of a setting"));
        }
        self.scan.blanks();
        if off {
            return Ok(Setting { name, value: Value::Off });
        }
        let kind: fn(String) -> Value = if self.scan.take("+=") {
            Value::Add
        } else if self.scan.take("-=") {
            Value::Remove
        } else if self.scan.take("=") {
            Value::Set
        } else {
            return Ok(Setting { name, value: Value::On });
        };
        self.scan.blanks();
        let value = if self.scan.peek() == Some('"') { self.scan.quoted()? } else { self.plain_value()? };
        Ok(Setting { name, value: kind(value) })
    }

    /// A value without quotes: to a blank, a comma, `=`, `#`.
    fn plain_value(&mut self) -> Read<String> {
        let start = self.scan.at();
        let mut value = String::new();
        loop {
            let part = self.scan.take_while(|char| !"#=, \t\r\n\\\"".contains(char));
            value.push_str(part);
            let mut ahead = self.scan.clone();
            if !ahead.take("\\")
                || matches!(ahead.peek(), None | Some('\r' | '\n'))
                || self.scan.clone().blanks()
            {
                break;
            }
            value.extend(ahead.next());
            self.scan = ahead;
        }
        self.scan.utf8_since(start)?;
        if value.is_empty() { Err(self.scan.expected("a value")) } else { Ok(value) }
    }
}

/// Whether this list, with what follows it, is in one piece: for sudo it ends at the first blank without a comma.
fn is_scope(text: &str) -> bool {
    let list = text.trim_end_matches([' ', '\t', '\r', '\n', '\\']);
    let rest = text.strip_prefix(list).unwrap_or_default();
    let begins = list.trim_start_matches([':', '>', '@', '!']).trim_start_matches([' ', '\t']);
    rest.contains([' ', '\t'])
        && !begins.starts_with(['\\', '\n', '\r'])
        && !["! ", "!\t", "!\\"].iter().any(|gap| list.contains(gap))
}
