# Prints what a process has inherited, one attribute a line: name, tab, value. What differs from run to run by nature
# (process ids, random names) is left out or reduced to what it means.
import ctypes, os, re, resource, signal, stat, sys


def show(name, value):
    print(name, value, sep="\t")


def read(path):
    try:
        return open(path).read()
    except OSError as error:
        return f"error {error.errno}"


status = dict(line.split(":\t", 1) for line in read("/proc/self/status").splitlines() if ":\t" in line)

for name, value in sorted(os.environ.items()):
    if name not in ("_", "SHLVL"):
        show(f"environment {name}", value.replace(sys.argv[1], "SESSION"))
for name in sorted(name for name in dir(resource) if name.startswith("RLIMIT_")):
    show(f"limit {name[7:]}", resource.getrlimit(getattr(resource, name)))
mask = os.umask(0)
show("umask", oct(mask))
show("user ids", os.getresuid())
show("group ids", os.getresgid())
show("groups", sorted(os.getgroups()))
show("working folder", os.getcwd())
show("root folder", os.readlink("/proc/self/root"))
show("blocked signals", status["SigBlk"])
python = 1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1  # Python ignores these itself
show("ignored signals", hex(int(status["SigIgn"], 16) & ~python))
show("pending signals", status["SigPnd"] + status["ShdPnd"])
for fd in sorted(map(int, os.listdir("/proc/self/fd"))):
    try:
        about = os.fstat(fd)
    except OSError:
        continue  # the one that lists them
    kind = "terminal" if os.isatty(fd) else stat.filemode(about.st_mode)[0]
    show(f"descriptor {fd}", kind)
try:
    terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    show("controlling terminal", "yes")
    show("terminal foreground", os.tcgetpgrp(terminal) == os.getpgrp())
    show("terminal owner", os.stat(os.ttyname(2)).st_uid if os.isatty(2) else "-")
    os.close(terminal)
except OSError:
    show("controlling terminal", "no")
show("leads its session", os.getsid(0) == os.getpid())
show("leads its process group", os.getpgrp() == os.getpid())
show("session as the caller's", str(os.getsid(0)) == sys.argv[1])
show("nice", os.nice(0))
show("oom score adjustment", read("/proc/self/oom_score_adj").strip())
show("scheduler", (os.sched_getscheduler(0), os.sched_getparam(0).sched_priority))
show("processors", sorted(os.sched_getaffinity(0)))
libc = ctypes.CDLL(None, use_errno=True)
show("I/O priority", libc.syscall({"x86_64": 252, "aarch64": 31}[os.uname().machine], 1, 0))
show("timer slack", libc.prctl(30))
for name, option in (("securebits", 27), ("keep capabilities", 7), ("child subreaper", 37), ("parent death signal", 2)):
    value = ctypes.c_int(0)
    got = libc.prctl(option, ctypes.byref(value)) if option in (37, 2) else libc.prctl(option)
    show(name, value.value if option in (37, 2) else got)
show("personality", hex(libc.personality(0xFFFFFFFF)))
show("no new privileges", status["NoNewPrivs"])
show("seccomp", status["Seccomp"])
for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
    show(f"capabilities {name[3:].lower()}", status[name])
for name in ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"):
    show(f"namespace {name}", os.readlink(f"/proc/self/ns/{name}"))
show("cgroup", re.sub(r"\d+|[0-9a-f]{8,}", "N", read("/proc/self/cgroup").strip().splitlines()[-1]))
show("login uid", read("/proc/self/loginuid"))
buffer = ctypes.create_string_buffer(200)  # KEYCTL_DESCRIBE of KEY_SPEC_SESSION_KEYRING
got = libc.syscall({"x86_64": 250, "aarch64": 219}[os.uname().machine], 6, -3, buffer, 200)
show("session keyring", buffer.value.decode() if got > 0 else f"error {ctypes.get_errno()}")
show("core filter", read("/proc/self/coredump_filter").strip())
show("dumpable", libc.prctl(3))
show("words", sys.argv[2:])
