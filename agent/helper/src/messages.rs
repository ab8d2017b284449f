//! What the helper says: on standard error, and on standard output only what was asked for.

use std::io::{self, Write};

use jit_protocol::escape_lines;

/// Where it is said, and under which name.
pub(crate) struct Messages<'a> {
    /// What messages begin with: `jit-sudo`, or `sudo` if called so.
    pub(crate) name: &'static str,
    /// Standard output.
    pub(crate) out: &'a mut dyn Write,
    /// Standard error.
    pub(crate) err: &'a mut dyn Write,
    /// A person reads it. A program that calls this one (Ansible, a prompt's status) takes it for the command's.
    pub(crate) person: bool,
    /// Refusals are told as JSON (`--json`).
    pub(crate) json: bool,
}

impl Messages<'_> {
    /// `jit-sudo: WHAT`, and what to do about it where there is something.
    pub(crate) fn refusal(&mut self, what: &str, hint: &str) {
        if self.json {
            return self.object(&[("error", what), ("hint", hint)]);
        }
        let hint = if hint.is_empty() { String::new() } else { format!("hint: {}\n", escape_lines(hint)) };
        self.tell(&format!("{}: {}\n{hint}", self.name, escape_lines(what)));
    }

    /// Somebody else has to approve it.
    pub(crate) fn pending(&mut self, request: &str, what: &str) {
        if self.json {
            return self.object(&[("error", what), ("request", request)]);
        }
        self.refusal(
            &format!("{what}: request {request}"),
            "run it again once it is approved, or with --wait; jitctl requests shows how it stands",
        );
    }

    /// One line; what is empty is left out.
    fn object(&mut self, entries: &[(&str, &str)]) {
        let entries = entries.iter().filter(|(_, text)| !text.is_empty());
        let object: serde_json::Map<String, serde_json::Value> =
            entries.map(|(key, text)| ((*key).to_owned(), escape_lines(text).into())).collect();
        self.tell(&format!("{}\n", serde_json::Value::Object(object)));
    }

    /// A line of the PAM conversation, as it is: sudo's clients know some of them (`Sorry, try again.`).
    pub(crate) fn line(&mut self, text: &str) {
        self.tell(&format!("{}\n", escape_lines(text)));
    }

    /// Something to know while the command runs; an aside is for a person alone. `end`: a line end as the terminal needs
    /// it.
    pub(crate) fn notice(&mut self, text: &str, end: &str, aside: bool) {
        if aside && !self.person || self.json {
            return;
        }
        let text = format!("{}: {}", self.name, escape_lines(text)).replace('\n', end);
        // On a raw terminal the cursor is wherever the command left it.
        let start = if end == "\n" { "" } else { "\r\n" };
        self.tell(&format!("{start}{text}{end}"));
    }

    /// What was asked for, on standard output.
    ///
    /// # Errors
    /// Those of write(2); `BrokenPipe` if nobody reads it.
    pub(crate) fn print(&mut self, text: &[u8]) -> io::Result<()> {
        self.out.write_all(text)?;
        self.out.flush()
    }

    fn tell(&mut self, text: &str) {
        // Where nobody reads messages, the exit status still tells.
        let _ = self.err.write_all(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(json: bool, tell: impl FnOnce(&mut Messages<'_>)) -> String {
        let mut err = Vec::new();
        tell(&mut Messages { name: "jit-sudo", out: &mut io::sink(), err: &mut err, person: true, json });
        String::from_utf8(err).unwrap()
    }

    #[test]
    fn who_has_to_wait_is_told_the_request_and_what_to_do() {
        let pending =
            |messages: &mut Messages<'_>| messages.pending("0123", "this waits for approval by %leads");
        let text = told(false, pending);
        assert!(
            text.starts_with("jit-sudo: this waits for approval by %leads: request 0123\nhint: "),
            "{text}"
        );
        let json: serde_json::Value = serde_json::from_str(&told(true, pending)).unwrap();
        assert_eq!(
            json,
            serde_json::json!({ "error": "this waits for approval by %leads", "request": "0123" })
        );
    }

    #[test]
    fn json_is_one_object_on_one_line_and_notices_are_not_in_between() {
        let text = told(true, |messages| {
            messages.notice("something is left", "\n", false);
            messages.refusal("no: \x1b[2J \"x\"\n", "try\nagain");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(!json["error"].as_str().unwrap().contains('\x1b'), "{text}");
        assert!(json["hint"].as_str().unwrap().starts_with("try"), "{text}");
    }
}
