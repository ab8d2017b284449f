# Asks the real sudo: for each sudoers file, whether users may run commands. JSON in, JSON out.
import concurrent.futures, hashlib, json, os, re, subprocess, sys

asked = json.load(sys.stdin)


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, env={"PATH": os.environ["PATH"], "LC_ALL": "C"})


def do(*words):
    if run(*words).returncode != 0:
        sys.exit(f"{words}: {run(*words)}")


for path in asked["programs"]:
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as program:
            program.write("#!/bin/sh\n")
        os.chmod(path, 0o755)
for group, gid in asked["groups"]:
    do("groupadd", "--gid", str(gid), group)
for user, uid, groups in asked["users"]:
    do("useradd", "--no-create-home", "--gid", "nogroup", "--uid", str(uid), "--groups", ",".join(groups), user)
with open("/etc/hosts", "a") as hosts:
    hosts.write("".join(f"127.0.0.1 {host}\n" for host in asked["hosts"]))


def as_whom(query):
    return (["-u", query["target"]] if query["target"] else []) + (["-g", query["group"]] if query["group"] else [])


def as_user(query):
    return ["setpriv", "--reuid", query["user"], "--regid", "nogroup", "--init-groups"]


def may_run(query):
    # sudo takes "oneself" for whoever starts it: such a question the user asks.
    words = as_user(query) + ["sudo", "-n", "-ll"] if query["oneself"] else ["sudo", "-n", "-ll", "-U", query["user"]]
    answer = run(*words, *as_whom(query), "--", *query["argv"])
    if answer.returncode not in (0, 1) or "usage" in answer.stderr:
        sys.exit(f"{words} {query}: {answer}")
    return {"allowed": answer.returncode == 0, "asks": "Commands:" in answer.stdout and "!authenticate" not in answer.stdout, "said": answer.stdout + answer.stderr}


def may_edit(query):
    # No list tells of edits: the user edits, with an editor that does nothing. Nobody is asked for a password then.
    answer = run(*as_user(query), "env", "SUDO_EDITOR=/bin/true", "sudoedit", "-n", *as_whom(query), "--", *query["argv"][1:])
    if "a password is required" in answer.stderr:
        sys.exit(f"{query}: {answer}")
    refused = "is not allowed" in answer.stderr or "may not run sudo" in answer.stderr or "not in the sudoers file" in answer.stderr
    return {"allowed": not refused, "asks": False, "said": answer.stdout + answer.stderr}


def install(file, more, edits):
    with open("/etc/sudoers.new", "w") as sudoers:
        sudoers.write(re.sub(r"(NO)?PASSWD[ \t]*:", "NOPASSWD:", file["text"]) + more if edits else file["text"] + more)
    os.chmod("/etc/sudoers.new", 0o440)
    checked = run("visudo", "-c", "-f", "/etc/sudoers.new")
    if checked.returncode != 0:
        sys.exit(f"{file['name']}: {checked.stdout}{checked.stderr}\n{file['text']}")
    os.rename("/etc/sudoers.new", "/etc/sudoers")


def is_edit(query):
    return query["argv"][0] == "sudoedit"


answers = []
for file in asked["files"]:
    do("hostname", file["host"])
    told = {}
    for edits, may, more in [(False, may_run, "\nDefaults listpw=never\n"), (True, may_edit, "\nDefaults !authenticate\n")]:
        install(file, more, edits)
        numbers = [number for number, query in enumerate(file["queries"]) if is_edit(query) == edits]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            told.update(zip(numbers, pool.map(may, [file["queries"][number] for number in numbers])))
    answers.append([told[number] for number in range(len(file["queries"]))])

ids = {name: run("id", "-G", name).stdout.split() for name in asked["accounts"]}
accounts = {name: [int(run("id", "-u", name).stdout), int(run("id", "-g", name).stdout), [int(gid) for gid in groups]] for name, groups in ids.items()}
groups = {line.split(":")[0]: int(line.split(":")[2]) for line in run("getent", "group").stdout.splitlines()}


def digest(path):
    if not os.path.isfile(path):
        return ""
    with open(path, "rb") as program:
        return hashlib.sha256(program.read()).hexdigest()


paths = {path: [os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path)), os.path.realpath(path), digest(path)] for path in asked["paths"]}
print(json.dumps({"answers": answers, "accounts": accounts, "groups": groups, "paths": paths, "version": run("sudo", "--version").stdout.splitlines()[0]}))
