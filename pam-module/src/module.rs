//! The border to PAM: six functions that C calls. A panic becomes `PAM_ABORT` in each (`pam_hooks!`).

use std::ffi::CStr;
use std::panic;
use std::time::Instant;

use jit_protocol::escape::escape;
use pam::constants::{PAM_ERROR_MSG, PAM_SILENT, PamFlag, PamResultCode};
use pam::conv::Conv;
use pam::items::{RHost, Service, Tty, User};
use pam::module::{PamHandle, PamHooks};

use crate::account::{self, Login, Verdict};
use crate::accounts::NameService;
use crate::agent::{AgentSocket, TIME};
use crate::files::RootFile;
use crate::log;

/// Longest name of user, service, terminal or host that is worth an answer, in bytes (`LOGIN_NAME_MAX`).
const MAX_NAME: usize = 256;
/// Longest line for the person, in bytes (`PAM_MAX_MSG_SIZE` is 512, with NUL).
const MAX_LINE: usize = 500;

struct Module;

pam::pam_hooks!(Module);

impl PamHooks for Module {
    fn acct_mgmt(pamh: &mut PamHandle, args: Vec<&CStr>, flags: PamFlag) -> PamResultCode {
        be_silent_in_panic();
        if let Some(unknown) = args.first() {
            log::warn(&format!("unknown argument {unknown:?}: the module takes none; refused"));
            return PamResultCode::PAM_SERVICE_ERR;
        }
        let login = match Login::of(pamh) {
            Ok(login) => login,
            Err(code) => return code,
        };
        let deadline = Instant::now() + TIME;
        let verdict =
            account::decide(&login, &AgentSocket::system(), &RootFile::system(), &NameService, deadline);
        record(&login, &verdict);
        if flags & PAM_SILENT == 0 {
            tell(pamh, &verdict);
        }
        verdict.code()
    }

    fn sm_authenticate(_: &mut PamHandle, _: Vec<&CStr>, _: PamFlag) -> PamResultCode {
        refuse("auth")
    }

    /// PAM calls this for each module of an `auth` stack; the one that counts there is `sm_authenticate`.
    fn sm_setcred(_: &mut PamHandle, _: Vec<&CStr>, _: PamFlag) -> PamResultCode {
        PamResultCode::PAM_IGNORE
    }

    fn sm_chauthtok(_: &mut PamHandle, _: Vec<&CStr>, _: PamFlag) -> PamResultCode {
        refuse("password")
    }

    fn sm_open_session(_: &mut PamHandle, _: Vec<&CStr>, _: PamFlag) -> PamResultCode {
        refuse("session")
    }

    fn sm_close_session(_: &mut PamHandle, _: Vec<&CStr>, _: PamFlag) -> PamResultCode {
        refuse("session")
    }
}

impl Login {
    /// Takes the items from PAM. Never prompts: a user who is not known by now has not authenticated.
    fn of(pamh: &PamHandle) -> Result<Self, PamResultCode> {
        let user = pamh.get_item::<User<'_>>()?.and_then(|User(name)| exactly(name));
        let service = pamh.get_item::<Service<'_>>()?.and_then(|Service(name)| exactly(name));
        Ok(Self {
            user: user.ok_or(PamResultCode::PAM_USER_UNKNOWN)?,
            service: service.ok_or(PamResultCode::PAM_SERVICE_ERR)?,
            tty: pamh.get_item::<Tty<'_>>()?.map(|Tty(name)| roughly(name)),
            rhost: pamh.get_item::<RHost<'_>>()?.map(|RHost(name)| roughly(name)),
        })
    }
}

impl Verdict {
    fn code(&self) -> PamResultCode {
        match self {
            Self::NotGated | Self::Rescued(_) => PamResultCode::PAM_IGNORE,
            Self::Allowed => PamResultCode::PAM_SUCCESS,
            Self::Denied(_) => PamResultCode::PAM_PERM_DENIED,
            Self::Unavailable(_) => PamResultCode::PAM_AUTHINFO_UNAVAIL,
            Self::UnknownUser => PamResultCode::PAM_USER_UNKNOWN,
        }
    }
}

/// A name that is compared: whole, UTF-8, and not empty, or no name at all.
fn exactly(name: &CStr) -> Option<String> {
    name.to_str().ok().filter(|name| !name.is_empty() && name.len() <= MAX_NAME).map(String::from)
}

/// A name that is only recorded.
fn roughly(name: &CStr) -> String {
    cut(&name.to_string_lossy(), MAX_NAME).to_owned()
}

/// At most so many bytes, whole characters.
fn cut(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or_default()
}

/// What the system log gets: only what the agent, which keeps the audit log, cannot know.
fn record(login: &Login, verdict: &Verdict) {
    let Login { user, service, .. } = login;
    match verdict {
        Verdict::Unavailable(why) => log::warn(&format!(
            "login of {user} by {service} refused: no answer from the agent ({}), and {}",
            why.agent, why.gated
        )),
        Verdict::Rescued(why) => log::warn(&format!(
            "login of {user} on a local console not gated: no answer from the agent ({}), and {}",
            why.agent, why.gated
        )),
        Verdict::UnknownUser => {
            log::warn(&format!(
                "login of {user} by {service} refused: no answer from the agent, and no such user"
            ));
        }
        Verdict::NotGated | Verdict::Allowed | Verdict::Denied(_) => {}
    }
}

/// What the person is told. That it could not be told changes nothing.
fn tell(pamh: &PamHandle, verdict: &Verdict) {
    let line = match verdict {
        Verdict::Denied(message) => escape(message.as_bytes()),
        Verdict::Unavailable(_) => "jit-sudo: this login needs a permission that cannot be checked now\n\
             hint: try again in a moment, or ask an administrator"
            .to_owned(),
        Verdict::NotGated | Verdict::Allowed | Verdict::Rescued(_) | Verdict::UnknownUser => return,
    };
    if let Ok(Some(conversation)) = pamh.get_item::<Conv<'_>>() {
        let _ = conversation.send(PAM_ERROR_MSG, cut(&line, MAX_LINE));
    }
}

/// The module serves `account` alone; elsewhere in a stack it would seem to do what it does not.
fn refuse(kind: &str) -> PamResultCode {
    be_silent_in_panic();
    log::warn(&format!("the module stands in a {kind} stack and serves only account; refused"));
    PamResultCode::PAM_SERVICE_ERR
}

/// A panic would print to descriptor 2, whatever that is in the program we are in. The hook is that of our own copy of
/// the standard library, so that no other Rust code in the process notices.
fn be_silent_in_panic() {
    panic::set_hook(Box::new(|_| {}));
}
