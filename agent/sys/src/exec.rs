//! execve(2), with everything made ready before: between clone and exec nothing may be allocated.

use std::ffi::{CString, NulError, c_char};

/// A program, its arguments and its environment, as the kernel takes them.
#[derive(Debug)]
pub struct Exec {
    path: CString,
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
        })
    }

    /// Executes it; a text file without `#!` as a script of sh(1), as execvp(3) and sudo do. Returns only if that
    /// fails, with the error number. Allocates nothing.
    pub fn execute(&self) -> i32 {
        let environment = self.environment.pointers.as_ptr();
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
