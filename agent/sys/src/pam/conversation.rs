//! The talk between modules and the person: libpam's callback, in C's memory.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use zeroize::{Zeroize, Zeroizing};

use super::ffi::{BUF_ERR, CONV_ERR, MAX_MESSAGES, PamMessage, PamResponse, SUCCESS};

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

/// `pam_conv(3)`: called by modules through libpam.
pub(super) extern "C" fn converse(
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
