//! libpam, application side: a thin binding with the order of calls in our hands.
//!
//! `pam_start(3)` may be called long before the user is known, and the conversation handler set later: monitors wait
//! with a started transaction. One transaction belongs to one single-threaded process (`pam(3)`: not thread-safe
//! across one handle).

mod conversation;
mod ffi;

use std::ffi::{CStr, CString, c_int, c_void};
use std::{fmt, ptr};

use self::conversation::converse;
pub use self::conversation::{Conversation, Style};
use self::ffi::{
    DELETE_CRED, DISALLOW_NULL_AUTHTOK, ESTABLISH_CRED, Handle, PamConv, SUCCESS, SYSTEM_ERR, pam_acct_mgmt,
    pam_authenticate, pam_close_session, pam_end, pam_get_item, pam_getenvlist, pam_open_session, pam_putenv,
    pam_set_item, pam_setcred, pam_start, pam_strerror,
};

/// A string item of a transaction (`pam_set_item(3)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// `PAM_USER`: the account that the next call is about.
    User = 2,
    /// `PAM_TTY`: terminal of the invoking user.
    Tty = 3,
    /// `PAM_RHOST`.
    RemoteHost = 4,
    /// `PAM_RUSER`: the invoking user.
    RemoteUser = 8,
}

/// Why a PAM call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PamError {
    /// Return code of libpam.
    pub code: i32,
    /// `pam_strerror(3)`.
    pub text: String,
}

impl PamError {
    /// The password (or what else was asked) was wrong, or the account is unknown to the module.
    pub fn is_wrong_answer(&self) -> bool {
        const WRONG: [i32; 4] = [
            6,  /* PERM_DENIED */
            7,  /* AUTH_ERR */
            10, /* USER_UNKNOWN */
            11, /* MAXTRIES */
        ];
        WRONG.contains(&self.code)
    }

    /// No further try is wanted (`PAM_MAXTRIES`).
    pub fn is_final(&self) -> bool {
        self.code == 11
    }

    /// The password has expired and must be changed (`PAM_NEW_AUTHTOK_REQD`).
    pub fn is_password_expired(&self) -> bool {
        self.code == 12
    }
}

impl fmt::Display for PamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.text)
    }
}

impl std::error::Error for PamError {}

/// A started PAM transaction; ended when dropped.
pub struct Transaction {
    handle: *mut Handle,
    /// From `Box::into_raw`: libpam keeps this address for the life of the handle, so it is a raw pointer throughout.
    conversation: *mut Option<Box<dyn Conversation>>,
    last: c_int,
}

impl Transaction {
    /// `pam_start(3)` for a service, with no user yet: reads the service's file and maps its modules.
    ///
    /// # Errors
    /// If the service cannot be read or a module cannot be loaded.
    pub fn start(service: &CStr) -> Result<Self, PamError> {
        let conversation: *mut Option<Box<dyn Conversation>> = Box::into_raw(Box::new(None));
        let conv = PamConv { conv: Some(converse), data: conversation.cast() };
        let mut handle = ptr::null_mut();
        // SAFETY: `service` is NUL-terminated; `conv` is copied by libpam, and its data pointer stays valid until
        // `pam_end` in `drop`.
        let code = unsafe { pam_start(service.as_ptr(), ptr::null(), &raw const conv, &raw mut handle) };
        if code != SUCCESS || handle.is_null() {
            // SAFETY: from `Box::into_raw` above, and libpam keeps no handle that could use it.
            drop(unsafe { Box::from_raw(conversation) });
            return Err(PamError { code, text: "the PAM service cannot be started".to_owned() });
        }
        Ok(Self { handle, conversation, last: SUCCESS })
    }

    /// Who answers the modules' questions from now on.
    pub fn set_conversation(&mut self, conversation: Box<dyn Conversation>) {
        // SAFETY: valid until `drop`, and no PAM call is running that could borrow it (`&mut self`).
        unsafe { *self.conversation = Some(conversation) };
    }

    /// `pam_set_item(3)` for a string item.
    ///
    /// # Errors
    /// Those of libpam; a value with NUL in it.
    pub fn set(&mut self, item: Item, value: &str) -> Result<(), PamError> {
        let value = CString::new(value)
            .map_err(|_| PamError { code: SYSTEM_ERR, text: "a NUL in a PAM item".to_owned() })?;
        // SAFETY: the handle is live; libpam copies the NUL-terminated string.
        let code = unsafe { pam_set_item(self.handle, item as c_int, value.as_ptr().cast()) };
        self.check(code)
    }

    /// `PAM_USER` read back: a module may have changed it.
    pub fn user(&self) -> Option<String> {
        let mut value: *const c_void = ptr::null();
        // SAFETY: the handle is live; the out-pointer is used only after success.
        let code = unsafe { pam_get_item(self.handle, Item::User as c_int, &raw mut value) };
        if code != SUCCESS || value.is_null() {
            return None;
        }
        // SAFETY: after success a string item points to a NUL-terminated string that libpam owns until it is set again.
        let user = unsafe { CStr::from_ptr(value.cast()) };
        user.to_str().ok().map(str::to_owned)
    }

    /// `pam_authenticate(3)`.
    ///
    /// # Errors
    /// [`PamError::is_wrong_answer`] tells a wrong password from a broken stack.
    pub fn authenticate(&mut self) -> Result<(), PamError> {
        // SAFETY: the handle is live.
        let code = unsafe { pam_authenticate(self.handle, DISALLOW_NULL_AUTHTOK) };
        self.check(code)
    }

    /// `pam_acct_mgmt(3)`: may this account be used now?
    ///
    /// # Errors
    /// Locked, expired, or not now.
    pub fn account(&mut self) -> Result<(), PamError> {
        // SAFETY: the handle is live.
        let code = unsafe { pam_acct_mgmt(self.handle, DISALLOW_NULL_AUTHTOK) };
        self.check(code)
    }

    /// `pam_setcred(3)`, to establish.
    ///
    /// # Errors
    /// Those of the stack.
    pub fn establish_credentials(&mut self) -> Result<(), PamError> {
        // SAFETY: the handle is live.
        let code = unsafe { pam_setcred(self.handle, ESTABLISH_CRED) };
        self.check(code)
    }

    /// `pam_setcred(3)`, to delete.
    ///
    /// # Errors
    /// Those of the stack.
    pub fn delete_credentials(&mut self) -> Result<(), PamError> {
        // SAFETY: the handle is live.
        let code = unsafe { pam_setcred(self.handle, DELETE_CRED) };
        self.check(code)
    }

    /// `pam_open_session(3)`.
    ///
    /// # Errors
    /// Those of the stack.
    pub fn open_session(&mut self) -> Result<(), PamError> {
        // SAFETY: the handle is live.
        let code = unsafe { pam_open_session(self.handle, 0) };
        self.check(code)
    }

    /// `pam_close_session(3)`.
    ///
    /// # Errors
    /// Those of the stack.
    pub fn close_session(&mut self) -> Result<(), PamError> {
        // SAFETY: the handle is live.
        let code = unsafe { pam_close_session(self.handle, 0) };
        self.check(code)
    }

    /// `pam_getenvlist(3)`: what the modules want in the environment, as `(name, value)`.
    pub fn environment(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut variables = Vec::new();
        // SAFETY: the handle is live; the result is null or a null-terminated array that is ours to free.
        let list = unsafe { pam_getenvlist(self.handle) };
        if list.is_null() {
            return variables;
        }
        let mut at = list;
        loop {
            // SAFETY: `at` has not passed the array's terminating null yet.
            let entry = unsafe { *at };
            if entry.is_null() {
                break;
            }
            // SAFETY: a non-null entry is a NUL-terminated string, ours to free.
            let text = unsafe { CStr::from_ptr(entry) }.to_bytes();
            if let Some(equals) = text.iter().position(|byte| *byte == b'=') {
                let (name, value) = text.split_at(equals);
                variables.push((name.to_vec(), value.get(1..).unwrap_or_default().to_vec()));
            }
            // SAFETY: allocated by libpam with malloc(3), freed once.
            unsafe { libc::free(entry.cast()) };
            // SAFETY: the entry was not the terminator, so the array goes on by at least one.
            at = unsafe { at.add(1) };
        }
        // SAFETY: allocated by libpam with malloc(3), freed once.
        unsafe { libc::free(list.cast()) };
        variables
    }

    /// Empties it (`pam_putenv(3)`): what modules set for one user is not another's.
    ///
    /// # Errors
    /// Those of libpam.
    pub fn clear_environment(&mut self) -> Result<(), PamError> {
        for (name, _) in self.environment() {
            // It came from a C string, so there is no NUL in it.
            let name = CString::new(name).unwrap_or_default();
            // SAFETY: the handle is live; a name without `=` removes the variable, and libpam keeps no pointer.
            let code = unsafe { pam_putenv(self.handle, name.as_ptr()) };
            self.check(code)?;
        }
        Ok(())
    }

    fn check(&mut self, code: c_int) -> Result<(), PamError> {
        self.last = code;
        if code == SUCCESS {
            return Ok(());
        }
        // SAFETY: the handle is live (Linux-PAM ignores it here).
        let text = unsafe { pam_strerror(self.handle, code) };
        let text = if text.is_null() {
            "unknown PAM error".to_owned()
        } else {
            // SAFETY: pam_strerror(3) returns a static NUL-terminated string.
            unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
        };
        Err(PamError { code, text })
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        // SAFETY: the handle is live and not used after.
        unsafe { pam_end(self.handle, self.last) };
        // SAFETY: from `Box::into_raw`; libpam, the only other holder, has ended.
        drop(unsafe { Box::from_raw(self.conversation) });
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("last", &self.last).finish_non_exhaustive()
    }
}
