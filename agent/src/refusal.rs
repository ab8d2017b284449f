//! A no: what the user is told, and what the audit log is told.

/// What a request gets instead of what it asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What happened, for the user; never more than the user may know.
    pub what: String,
    /// What to do; may be empty.
    pub hint: String,
    /// Why, for the audit log and administrators.
    pub why: String,
    /// It is a token that counts for nothing: the log says so.
    pub of_token: bool,
}

/// What to do when something can't be written.
const ROOM: &str = "ask an administrator to look at `jitctl status`: is a disk full? Then try again";

impl Refusal {
    /// The user is told what the log is told.
    pub fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        let what = what.into();
        Self { why: what.clone(), what, hint: hint.into(), of_token: false }
    }

    /// The log is told more.
    #[must_use]
    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.why = why.into();
        self
    }

    /// The same text for everyone without a rule, whatever was asked for, so that nothing can be learnt from it.
    pub fn without_rule() -> Self {
        Self::new("you may not run this", "ask an administrator of this host for a rule")
    }

    /// For those with rules, none of which permits this.
    pub fn not_permitted(hint: impl Into<String>) -> Self {
        Self::new("no rule lets you run this", hint)
    }

    /// sudo's own words, which scripts look for.
    pub fn password_required() -> Self {
        Self::new("a password is required", "")
    }

    /// The other end broke the protocol, or is not who it was.
    pub fn protocol(why: impl Into<String>) -> Self {
        Self::new("the request is not understood", "helper and agent must be of the same version")
            .because(why)
    }

    /// No record, no command. For those who have a rule for it: nobody else gets so far.
    pub fn unrecorded(why: impl Into<String>) -> Self {
        let what = "the audit log cannot be written, and nothing runs without a record";
        Self::new(what, ROOM).because(why)
    }

    /// What a grant is good for must be durable before it is used.
    pub fn unstored(why: impl Into<String>) -> Self {
        let what = "grants cannot be stored, and nothing runs without that";
        Self::new(what, ROOM).because(format!("the store could not be written: {}", why.into()))
    }

    /// What was revoked has ended all the same; it might come back with a restart.
    pub fn unrecorded_end(why: impl Into<String>) -> Self {
        let what = "what was to be revoked has ended, but that could not be stored or recorded: a restart may undo it";
        Self::new(what, "ask an administrator to look at `jitctl status`: is a disk full?").because(why)
    }

    /// Something of ours failed: the request is refused, the agent lives.
    pub fn failure(why: impl Into<String>) -> Self {
        Self::new(
            "the agent could not do this",
            "ask an administrator to look at `jitctl status` and the journal",
        )
        .because(why)
    }
}
