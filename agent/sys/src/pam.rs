//! libpam, application side: a thin binding with the order of calls in our hands.
//!
//! `pam_start(3)` may be called long before the user is known, and the conversation handler set later: monitors wait
//! with a started transaction. One transaction belongs to one single-threaded process (`pam(3)`: not thread-safe
//! across one handle).

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use zeroize::{Zeroize, Zeroizing};

/// How a message of a module is to be shown (`pam_conv(3)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Ask without echo.
    PromptHidden,
    /// Ask with echo.
    PromptVisible,
    /// An error to show.
    Error,
    /// Information to show.
    Information,
}

impl Style {
    fn from_raw(raw: c_int) -> Option<Self> {
        match raw {
            1 => Some(Self::PromptHidden),
            2 => Some(Self::PromptVisible),
            3 => Some(Self::Error),
            4 => Some(Self::Information),
            _ => None, // binary and radio prompts: refused
        }
    }
}

/// Talks to the person for the modules.
pub trait Conversation {
    /// Shows `text` and, for a prompt, returns the answer (without NUL). `None` ends the PAM call with an error.
    fn converse(&mut self, style: Style, text: &[u8]) -> Option<Zeroizing<Vec<u8>>>;
}

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

/// `pam_conv(3)`: called by modules through libpam.
extern "C" fn converse(
    count: c_int,
    messages: *const *const PamMessage,
    responses: *mut *mut PamResponse,
    data: *mut c_void,
) -> c_int {
    // A panic must not cross into C.
    catch_unwind(AssertUnwindSafe(|| answer_all(count, messages, responses, data))).unwrap_or(CONV_ERR)
}

fn answer_all(
    count: c_int,
    messages: *const *const PamMessage,
    responses: *mut *mut PamResponse,
    data: *mut c_void,
) -> c_int {
    let Ok(count) = usize::try_from(count) else { return CONV_ERR };
    if count == 0 || count > MAX_MESSAGES || messages.is_null() || responses.is_null() || data.is_null() {
        return CONV_ERR;
    }
    // SAFETY: `data` is the pointer given to pam_start: the boxed conversation, alive, and borrowed by nobody else,
    // because `Transaction` does not touch it during a PAM call (it is borrowed mutably by the call).
    let conversation = unsafe { &mut *data.cast::<Option<Box<dyn Conversation>>>() };
    let Some(conversation) = conversation else { return CONV_ERR };
    let mut answers = Answers(Vec::with_capacity(count));
    // SAFETY: Linux-PAM passes an array of `count` pointers, alive for the time of the call.
    for &message in unsafe { std::slice::from_raw_parts(messages, count) } {
        if message.is_null() {
            return CONV_ERR;
        }
        // SAFETY: each points to a live message for the time of the call.
        let message = unsafe { &*message };
        let text = if message.text.is_null() {
            &b""[..]
        } else {
            // SAFETY: a message's text is NUL-terminated and alive for the time of the call.
            unsafe { CStr::from_ptr(message.text) }.to_bytes()
        };
        let Some(style) = Style::from_raw(message.style) else { return CONV_ERR };
        let Some(answer) = conversation.converse(style, text) else { return CONV_ERR };
        let is_prompt = matches!(style, Style::PromptHidden | Style::PromptVisible);
        let Some(raw) = copy_to_c(if is_prompt { Some(&answer) } else { None }) else { return BUF_ERR };
        answers.0.push(raw);
    }
    // SAFETY: calloc(3) of `count` responses: zeroed, aligned for any type.
    let array: *mut PamResponse = unsafe { libc::calloc(count, size_of::<PamResponse>()) }.cast();
    if array.is_null() {
        return BUF_ERR;
    }
    // SAFETY: `count` responses, zeroed by calloc(3), which is a valid value of each; nobody else has the array.
    let slots = unsafe { std::slice::from_raw_parts_mut(array, count) };
    for (slot, text) in slots.iter_mut().zip(std::mem::take(&mut answers.0)) {
        slot.text = text;
    }
    // SAFETY: `responses` was checked above; libpam takes the array over and frees it with its strings.
    unsafe { *responses = array };
    SUCCESS
}

/// A malloc(3) copy with NUL; null for no answer. `None` if there is no memory or the answer has a NUL in it.
fn copy_to_c(answer: Option<&[u8]>) -> Option<*mut c_char> {
    let Some(answer) = answer else { return Some(ptr::null_mut()) };
    if answer.contains(&0) {
        return None;
    }
    // SAFETY: calloc(3) is always sound; the result is checked.
    let copy: *mut u8 = unsafe { libc::calloc(answer.len() + 1, 1) }.cast();
    if copy.is_null() {
        return None;
    }
    // SAFETY: `copy` has room for the answer and the NUL that calloc left; the two do not overlap.
    unsafe { ptr::copy_nonoverlapping(answer.as_ptr(), copy, answer.len()) };
    Some(copy.cast())
}

/// Answers not yet handed to libpam: wiped and freed if that never happens.
struct Answers(Vec<*mut c_char>);

impl Drop for Answers {
    fn drop(&mut self) {
        for text in self.0.drain(..).filter(|text| !text.is_null()) {
            // SAFETY: `copy_to_c` made it NUL-terminated, and nobody else has it.
            let length = unsafe { libc::strlen(text) };
            // SAFETY: `length` bytes from `text` on are ours.
            unsafe { std::slice::from_raw_parts_mut(text.cast::<u8>(), length) }.zeroize();
            // SAFETY: from calloc(3), freed once.
            unsafe { libc::free(text.cast()) };
        }
    }
}

const SUCCESS: c_int = 0;
const SYSTEM_ERR: c_int = 4;
const BUF_ERR: c_int = 5;
const CONV_ERR: c_int = 19;
const DISALLOW_NULL_AUTHTOK: c_int = 1;
const ESTABLISH_CRED: c_int = 2;
const DELETE_CRED: c_int = 4;
/// `PAM_MAX_NUM_MSG`.
const MAX_MESSAGES: usize = 32;

/// `pam_handle_t`, opaque.
#[repr(C)]
struct Handle {
    _private: [u8; 0],
}

/// `struct pam_message`.
#[repr(C)]
struct PamMessage {
    style: c_int,
    text: *const c_char,
}

/// `struct pam_response`.
#[repr(C)]
struct PamResponse {
    text: *mut c_char,
    code: c_int,
}

/// `struct pam_conv`.
#[repr(C)]
struct PamConv {
    conv: Option<extern "C" fn(c_int, *const *const PamMessage, *mut *mut PamResponse, *mut c_void) -> c_int>,
    data: *mut c_void,
}

#[link(name = "pam")]
unsafe extern "C" {
    fn pam_start(
        service: *const c_char,
        user: *const c_char,
        conv: *const PamConv,
        handle: *mut *mut Handle,
    ) -> c_int;
    fn pam_end(handle: *mut Handle, status: c_int) -> c_int;
    fn pam_set_item(handle: *mut Handle, item: c_int, value: *const c_void) -> c_int;
    fn pam_get_item(handle: *const Handle, item: c_int, value: *mut *const c_void) -> c_int;
    fn pam_authenticate(handle: *mut Handle, flags: c_int) -> c_int;
    fn pam_acct_mgmt(handle: *mut Handle, flags: c_int) -> c_int;
    fn pam_setcred(handle: *mut Handle, flags: c_int) -> c_int;
    fn pam_open_session(handle: *mut Handle, flags: c_int) -> c_int;
    fn pam_close_session(handle: *mut Handle, flags: c_int) -> c_int;
    fn pam_putenv(handle: *mut Handle, variable: *const c_char) -> c_int;
    fn pam_getenvlist(handle: *mut Handle) -> *mut *mut c_char;
    fn pam_strerror(handle: *mut Handle, code: c_int) -> *const c_char;
}
