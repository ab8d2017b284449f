//! The checks, by the code that messages, comments and documents name them with.

use std::fmt;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It is not what anybody can mean.
    Error,
    /// It gives more, or less, than it seems to.
    Warning,
    /// Worth a look.
    Note,
}

impl Severity {
    /// In lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

macro_rules! codes {
    ($($(#[doc = $summary:literal])+ $name:ident = $code:literal, $severity:ident;)+) => {
        /// A check. `docs/lint.md` has a section for each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[doc = $summary])+ $name,)+ }

        impl Code {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// As comments and documents name it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// What it finds, in one sentence.
            pub fn summary(self) -> &'static str {
                match self { $(Self::$name => concat!($($summary),+).trim_ascii(),)+ }
            }

            /// How bad it is.
            pub fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)+ }
            }
        }
    };
}

codes! {
    /// A command that gives a whole shell, or runs any program.
    Shell = "shell", Warning;
    /// A command that runs any program text.
    Interpreter = "interpreter", Warning;
    /// A command that is an editor: it writes any file and starts a shell.
    Editor = "editor", Warning;
    /// A command that is as good as root: containers, mounts, accounts, the kernel.
    RootEquivalent = "root-equivalent", Warning;
    /// A command that installs packages, whose scripts run as root.
    PackageManager = "package-manager", Warning;
    /// A command that writes, replaces or gives away files that the caller chooses.
    FileWriter = "file-writer", Warning;
    /// A command that shows its output in a pager, which starts a shell.
    Pager = "pager", Warning;
    /// A final `**` that lets the caller add a dangerous argument.
    OpenArguments = "open-arguments", Warning;
    /// A command that shows files that the caller chooses.
    FileReader = "file-reader", Note;
    /// A glob for programs that also names dangerous ones.
    ProgramGlob = "program-glob", Warning;
    /// A glob or regex for a path that `..` leads out of.
    ParentFolder = "parent-folder", Warning;
    /// A glob for an argument that can also be an option, or empty.
    OptionGlob = "option-glob", Note;
    /// A deny, or an exception, narrower than what is allowed of the same program: it can be got around.
    NarrowDeny = "narrow-deny", Error;
    /// A deny against a rule that allows any command: it can be got around.
    DenyOfAll = "deny-of-all", Warning;
    /// A deny, or an exception, for files with a certain digest: a byte more, and it is another file.
    PinnedDeny = "pinned-deny", Warning;
    /// A rule that can't match anything.
    NeverMatches = "never-matches", Warning;
    /// An allow that a deny takes back as a whole.
    NeverPermits = "never-permits", Warning;
    /// A rule whose time is over.
    Expired = "expired", Note;
    /// A rule that another one makes superfluous.
    Redundant = "redundant", Note;
    /// `trusted_path = false`: others may exchange the program.
    UntrustedPath = "untrusted-path", Error;
    /// A program or folder that others than root can write.
    WritablePath = "writable-path", Error;
    /// A program that this host does not have.
    MissingProgram = "missing-program", Note;
    /// A program that has another digest on this host than those that are pinned.
    OtherFile = "other-file", Warning;
    /// A user or group that this host does not know.
    UnknownName = "unknown-name", Warning;
    /// A rule without end for a service account.
    EndlessServiceAccount = "endless-service-account", Warning;
    /// A package manager that is killed when the grant ends.
    KilledPackageManager = "killed-package-manager", Warning;
    /// Any command without authentication, for others than root.
    NoAuthentication = "no-authentication", Warning;
    /// An approval that nobody can give.
    NeverApproved = "never-approved", Warning;
    /// A variable that makes programs load or run something.
    DangerousVariable = "dangerous-variable", Warning;
    /// A lint comment that allows nothing, or gives no reason.
    LintComment = "lint-comment", Warning;
}

impl Code {
    /// The one with this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
