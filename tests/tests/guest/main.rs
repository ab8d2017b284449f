//! Tests in a real Debian guest in which the package is installed: real systemd, PAM, users and terminals.
//! The release is `JIT_GUEST`: trixie (default) or bookworm. All share one guest, one after the other.

mod harness;
