//! One request, and who has answered it.

use jit_protocol::binding::Binding;
use jit_protocol::link::Deadline;
use jit_protocol::response::RequestState;
use serde::{Deserialize, Serialize};

use crate::clock::Moment;
use crate::grants::Purpose;
use crate::identities::Identities;
use crate::scope::Keys;
use crate::store::{Change, Table};
use crate::translate::Subject;

/// How long it is known how a request came out, in nanoseconds: for those who wait, or look again.
const KNOWN: u64 = 60 * 60 * 1_000_000_000;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// 32 hex digits.
    pub id: String,
    /// What exactly is asked for.
    pub binding: Binding,
    /// SHA-256 of that, hex.
    pub digest: String,
    /// A yes counts for all that the rule permits to this user as this target.
    pub for_rule: bool,
    /// What the grant will be for.
    pub purpose: Purpose,
    /// What was decided upon, to decide again.
    pub subject: Subject,
    /// When the grant begins, `CLOCK_REALTIME` in nanoseconds, if it is asked for ahead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begins_ns: Option<i64>,
    /// Why it is asked for.
    pub reason: Option<String>,
    /// Login uid of who asked.
    pub loginuid: Option<u32>,
    /// Who asked, whoever that is: none of them may approve.
    pub asker: Identities,
    /// The session of who asked: nobody in it may approve.
    pub keys: Keys,
    /// `CLOCK_REALTIME` in nanoseconds.
    pub asked_ns: i64,
    /// Until when it waits; once it is decided, until when that is known. `boottime_ns` counts in the boot of `boot_id`.
    pub until: Deadline,
    /// Nanoseconds left of that when it was last stored.
    pub left_ns: u64,
    /// When that was, `CLOCK_REALTIME` in nanoseconds.
    pub at_ns: i64,
    /// The boot in which `until.boottime_ns` counts.
    pub boot_id: String,
    /// How it stands.
    pub state: RequestState,
    /// Who has said yes.
    pub approvals: Vec<Approval>,
    /// Who said no, and why.
    pub answer: Option<String>,
    /// The grant that it became.
    pub grant: Option<String>,
    /// The log has how it stands. In memory it always has.
    #[serde(default = "yes")]
    pub recorded: bool,
}

fn yes() -> bool {
    true // earlier versions did not say
}

/// One yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Whose.
    pub name: String,
    /// Its uid.
    pub uid: u32,
    /// Whoever that is.
    pub person: Identities,
}

impl Request {
    /// Whether it waits.
    pub fn is_pending(&self, now: Moment) -> bool {
        self.state == RequestState::Pending && !now.is_past(self.until)
    }

    /// How it stands now.
    pub fn state(&self, now: Moment) -> RequestState {
        let is_late = self.state == RequestState::Pending && now.is_past(self.until);
        if is_late { RequestState::Expired } else { self.state }
    }

    /// What a yes to it is bound to: when it begins is the grant's to know, and how long that lives then is not asked again.
    pub fn bound(&self) -> Binding {
        let binding = self.binding.clone();
        if self.begins_ns.is_none() { binding } else { Binding { from: None, duration: None, ..binding } }
    }

    /// Once the log has how it stands.
    pub(super) fn recorded(self, now: Moment) -> Self {
        let until = if self.state == RequestState::Pending { self.until } else { now.after(KNOWN) };
        Self { recorded: true, until, ..self }
    }

    /// As it was before the change that is not recorded; none: it was not there.
    pub(super) fn before(mut self) -> Option<Self> {
        match self.state {
            RequestState::Pending => return None, // its filing
            RequestState::Approved => {
                self.approvals.pop()?; // one that nobody has to answer: its filing
                self.grant = None;
            }
            RequestState::Refused | RequestState::Withdrawn | RequestState::Expired => self.answer = None,
        }
        Some(Self { state: RequestState::Pending, recorded: true, ..self })
    }

    /// What stores it.
    ///
    /// # Errors
    /// If it does not become JSON.
    pub fn put(&self, now: Moment) -> Result<Change, String> {
        let stored = Self { left_ns: now.until(self.until), at_ns: now.realtime_ns, ..self.clone() };
        Change::put(Table::Requests, &self.id, &stored).map_err(|error| error.to_string())
    }
}
