//! What libpam has, as `<security/pam_appl.h>` declares it.

use std::ffi::{c_char, c_int, c_void};

pub(super) const SUCCESS: c_int = 0;
pub(super) const SYSTEM_ERR: c_int = 4;
pub(super) const BUF_ERR: c_int = 5;
pub(super) const CONV_ERR: c_int = 19;
pub(super) const DISALLOW_NULL_AUTHTOK: c_int = 1;
pub(super) const ESTABLISH_CRED: c_int = 2;
pub(super) const DELETE_CRED: c_int = 4;
/// `PAM_MAX_NUM_MSG`.
pub(super) const MAX_MESSAGES: usize = 32;

/// `pam_handle_t`, opaque.
#[repr(C)]
pub(super) struct Handle {
    _private: [u8; 0],
}

/// `struct pam_message`.
#[repr(C)]
pub(super) struct PamMessage {
    pub(super) style: c_int,
    pub(super) text: *const c_char,
}

/// `struct pam_response`.
#[repr(C)]
pub(super) struct PamResponse {
    pub(super) text: *mut c_char,
    pub(super) code: c_int,
}

/// `struct pam_conv`.
#[repr(C)]
pub(super) struct PamConv {
    pub(super) conv:
        Option<extern "C" fn(c_int, *const *const PamMessage, *mut *mut PamResponse, *mut c_void) -> c_int>,
    pub(super) data: *mut c_void,
}

#[link(name = "pam")]
unsafe extern "C" {
    pub(super) fn pam_start(
        service: *const c_char,
        user: *const c_char,
        conv: *const PamConv,
        handle: *mut *mut Handle,
    ) -> c_int;
    pub(super) fn pam_end(handle: *mut Handle, status: c_int) -> c_int;
    pub(super) fn pam_set_item(handle: *mut Handle, item: c_int, value: *const c_void) -> c_int;
    pub(super) fn pam_get_item(handle: *const Handle, item: c_int, value: *mut *const c_void) -> c_int;
    pub(super) fn pam_authenticate(handle: *mut Handle, flags: c_int) -> c_int;
    pub(super) fn pam_acct_mgmt(handle: *mut Handle, flags: c_int) -> c_int;
    pub(super) fn pam_setcred(handle: *mut Handle, flags: c_int) -> c_int;
    pub(super) fn pam_open_session(handle: *mut Handle, flags: c_int) -> c_int;
    pub(super) fn pam_close_session(handle: *mut Handle, flags: c_int) -> c_int;
    pub(super) fn pam_putenv(handle: *mut Handle, variable: *const c_char) -> c_int;
    pub(super) fn pam_getenvlist(handle: *mut Handle) -> *mut *mut c_char;
    pub(super) fn pam_strerror(handle: *mut Handle, code: c_int) -> *const c_char;
}
