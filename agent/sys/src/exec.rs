//! execve(2), with everything made ready before: between clone and exec nothing may be allocated.

use std::ffi::{CString, NulError, c_char};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

/// A program, its arguments and its environment, as the kernel takes them.
#[derive(Debug)]
pub struct Exec {
    path: CString,
    /// What is executed instead of what the path leads to.
    file: Option<RawFd>,
    argv: Strings,
    /// The arguments with which sh(1) is told to read the file.
    script: Strings,
    environment: Strings,
}

/// Strings, and the null-terminated array of pointers to them.
#[derive(Debug)]
struct Strings {
    /// Where the pointers lead: never touched again.
    _strings: Vec<CString>,
    pointers: Vec<*const c_char>,
}

impl Exec {
    /// Makes everything ready.
    ///
    /// # Errors
    /// If something contains a zero byte.
    pub fn new(
        path: &[u8],
        argv: impl IntoIterator<Item = Vec<u8>>,
        environment: impl IntoIterator<Item = Vec<u8>>,
    ) -> Result<Self, NulError> {
        let path = CString::new(path)?;
        let argv = argv.into_iter().map(CString::new).collect::<Result<Vec<_>, _>>()?;
        let environment = environment.into_iter().map(CString::new).collect::<Result<Vec<_>, _>>()?;
        let script = [c"sh".to_owned(), path.clone()].into_iter().chain(argv.iter().skip(1).cloned());
        Ok(Self {
            script: Strings::new(script.collect()),
            argv: Strings::new(argv),
            environment: Strings::new(environment),
            path,
            file: None,
        })
    }

    /// Executes this file, and no other, whatever the path leads to. It must be a program, not a script, and stay open.
    #[must_use]
    pub fn of_file(self, file: Option<BorrowedFd<'_>>) -> Self {
        Self { file: file.map(|file| file.as_raw_fd()), ..self }
    }

    /// Executes it; a text file without `#!` as a script of sh(1), as execvp(3) and sudo do. Returns only if that
    /// fails, with the error number. Allocates nothing.
    pub fn execute(&self) -> i32 {
        let environment = self.environment.pointers.as_ptr();
        if let Some(file) = self.file {
            let (argv, flags) = (self.argv.pointers.as_ptr(), libc::AT_EMPTY_PATH);
            // SAFETY: as below; the path is empty. A number that is no open file's is an error.
            unsafe { libc::execveat(file, c"".as_ptr(), argv.cast(), environment.cast(), flags) };
            return nix::errno::Errno::last_raw();
        }
        // SAFETY: the path is terminated by a zero byte, both arrays by a null pointer, and all are alive.
        unsafe { libc::execve(self.path.as_ptr(), self.argv.pointers.as_ptr(), environment) };
        let error = nix::errno::Errno::last_raw();
        if error != libc::ENOEXEC {
            return error;
        }
        // SAFETY: as above.
        unsafe { libc::execve(c"/bin/sh".as_ptr(), self.script.pointers.as_ptr(), environment) };
        nix::errno::Errno::last_raw()
    }
}

impl Strings {
    fn new(strings: Vec<CString>) -> Self {
        // What a CString points to stays where it is when the CString itself is moved.
        let pointers = strings.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect();
        Self { _strings: strings, pointers }
    }
}
