//! What the C library does with memory that is no longer used. Only glibc, which the agent links.
#![cfg(target_env = "gnu")]

/// One heap for all threads, whose end goes back to the system when 128 KiB of it are free. Otherwise each of the threads
/// that come and go gets a heap of its own, up to eight a processor, which stay; and a large piece that was once freed
/// raises the limit to as much as 64 MiB. To be called before threads are started.
pub fn keep_one_small_heap() {
    set(libc::M_ARENA_MAX, 1);
    set(libc::M_TRIM_THRESHOLD, 128 * 1024);
}

/// Gives all free pages of the heap back to the system: what was freed between pieces in use does not go by itself. Who
/// allocates meanwhile waits, about as long as a system call for each stretch of free pages.
pub fn give_back() {
    // SAFETY: releases pages that hold nothing but free memory, under the allocator's own lock.
    unsafe { libc::malloc_trim(0) };
}

fn set(option: libc::c_int, value: libc::c_int) {
    // SAFETY: sets a number of the allocator's, under its own lock. One that is refused stays as it was.
    unsafe { libc::mallopt(option, value) };
}
