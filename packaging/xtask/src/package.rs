//! The Debian package: what goes where, with which mode.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::cargo::{Done, cargo, command, read, run, workspace};
use crate::{completions, help, host, pages};

mod archive;
mod as_sudo;

use archive::{MAINTAINER, source_date};

/// All crates with something to install.
pub(crate) const PROGRAMS: [&str; 6] =
    ["jit-agent", "jit-session", "jitctl", "pam-jit", "jit-sudo", "jit-edit"];
/// Those that are linked statically; the others need NSS or PAM.
const STATIC: [&str; 2] = ["jit-sudo", "jit-edit"];
const CRT_STATIC: &str = "-C target-feature=+crt-static";

/// Where something goes: from `packaging/` or from the build, to a path below the root, with a mode. None of them is
/// setuid, and there are no file capabilities.
struct Item {
    from: PathBuf,
    to: String,
    mode: u32,
}

/// Builds all programs for release, packs them, and beside them the package that makes them `sudo`; returns both packages'
/// paths.
///
/// # Errors
/// What could not be built or packed.
pub(crate) fn build() -> Done<[PathBuf; 2]> {
    host::install(&[host::BUILD, host::PACKAGE])?;
    let release = build_programs()?;
    let architecture = read(command(&["dpkg", "--print-architecture"]))?;
    let root = archive::root("jit-sudo", &architecture)?;
    stage(&release, &root)?;
    let zipped = [root.join("usr/share/doc/jit-sudo/changelog"), root.join("usr/share/man")];
    run(command(&["gzip", "--recursive", "-9nf", &text(&zipped[0]), &text(&zipped[1])]))?;
    let depends = dependencies(&root, &release)?;
    let fields = [("@ARCHITECTURE@", architecture.as_str()), ("@DEPENDS@", &depends)];
    let main = archive::pack(&root, &workspace().join("packaging/deb"), &fields)?;
    Ok([main, as_sudo::build()?])
}

/// The folders with the built programs: dynamically linked ones, and the statically linked helper.
pub(crate) struct Programs {
    pub(crate) dynamic: PathBuf,
    pub(crate) fixed: PathBuf,
}

/// Puts everything the package installs below this folder.
///
/// # Errors
/// What can't be copied.
pub(crate) fn stage(programs: &Programs, root: &Path) -> Done {
    let triplet = read(command(&["gcc", "-print-multiarch"]))?;
    for item in items(programs, &triplet)? {
        put(&item, root)?;
    }
    describe(programs, root)?;
    make_folder(&root.join("etc/jit-sudo/policy.d"))?;
    make_folder(&root.join("etc/jit-sudo/hooks.d"))?;
    open_folders(root)
}

/// Builds all programs as they are debugged, and puts everything the package installs below `target/NAME/root`, made
/// anew; that folder.
///
/// # Errors
/// What can't be built or copied.
pub(crate) fn stage_debug(name: &str) -> Done<PathBuf> {
    let mut words = vec!["build"];
    words.extend(PROGRAMS.iter().flat_map(|package| ["--package", package]));
    run(cargo(&words))?;
    let target = jit_tests::image::target();
    let root = target.join(name).join("root");
    let _ = fs::remove_dir_all(&root);
    let debug = target.join("debug");
    stage(&Programs { dynamic: debug.clone(), fixed: debug }, &root)?;
    Ok(root)
}

fn build_programs() -> Done<Programs> {
    let mut words = vec!["build", "--release", "--locked"];
    let dynamic = PROGRAMS.iter().filter(|package| !STATIC.contains(package));
    words.extend(dynamic.flat_map(|package| ["--package", package]));
    run(cargo(&words))?;
    // The helper is static: no loader, no LD_PRELOAD, and 0.7 ms less.
    let [helper, edit] = STATIC;
    build_static(edit)?;
    Ok(Programs { dynamic: jit_tests::image::target().join("release"), fixed: build_static(helper)? })
}

/// Builds a package's programs so that they need no library at run time; returns the folder they are in. With musl, where
/// Rust has it or rustup can get it: such a program starts faster, and takes less memory, than with glibc made static.
///
/// # Errors
/// What could not be built.
pub(crate) fn build_static(package: &str) -> Done<PathBuf> {
    // `--target` keeps build scripts out of that.
    let machine = std::env::consts::ARCH;
    let musl = format!("{machine}-unknown-linux-musl");
    let is_there = || {
        let folder = read(command(&["rustc", "--print", "target-libdir", "--target", &musl]));
        folder.is_ok_and(|path| Path::new(&path).is_dir())
    };
    if !is_there() {
        let _ = run(command(&["timeout", "120", "rustup", "target", "add", &musl]));
    }
    let triple = if is_there() { musl } else { format!("{machine}-unknown-linux-gnu") };
    let mut build =
        cargo(&["build", "--profile", "static", "--locked", "--package", package, "--target", &triple]);
    let variable = format!("CARGO_TARGET_{}_RUSTFLAGS", triple.replace('-', "_").to_uppercase());
    build.env(variable, CRT_STATIC);
    run(build)?;
    Ok(jit_tests::image::target().join(triple).join("static"))
}

fn items(programs: &Programs, triplet: &str) -> Done<Vec<Item>> {
    let packaging = workspace().join("packaging");
    let dynamic = |name: &str| programs.dynamic.join(name);
    let own = |path: &str| packaging.join(path);
    let item = |from: PathBuf, to: &str, mode| Item { from, to: to.to_owned(), mode };
    let mut items = vec![
        // Not readable: then not dumpable, and no process of the same user can attach to it.
        item(programs.fixed.join("jit-sudo"), "usr/bin/jit-sudo", 0o711),
        item(dynamic("jitctl"), "usr/bin/jitctl", 0o711),
        item(dynamic("jit-agentd"), "usr/libexec/jit-sudo/jit-agentd", 0o755),
        item(dynamic("jit-spawner"), "usr/libexec/jit-sudo/jit-spawner", 0o755),
        item(programs.fixed.join("jit-edit"), "usr/libexec/jit-sudo/jit-edit", 0o755),
        item(dynamic("libpam_jit.so"), &format!("usr/lib/{triplet}/security/pam_jit.so"), 0o644),
        item(own("pam.d/jit-sudo"), "etc/pam.d/jit-sudo", 0o644),
        item(own("pam-configs/jit-sudo"), "usr/share/pam-configs/jit-sudo", 0o644),
        item(own("sysusers.d/jit-sudo.conf"), "usr/lib/sysusers.d/jit-sudo.conf", 0o644),
        item(own("tmpfiles.d/jit-sudo.conf"), "usr/lib/tmpfiles.d/jit-sudo.conf", 0o644),
        item(own("dbus/org.jitsudo.Agent1.conf"), "usr/share/dbus-1/system.d/org.jitsudo.Agent1.conf", 0o644),
        item(own("deb/copyright"), "usr/share/doc/jit-sudo/copyright", 0o644),
        item(own("deb/lintian-overrides"), "usr/share/lintian/overrides/jit-sudo", 0o644),
        item(own("deb/changelog"), "usr/share/doc/jit-sudo/changelog", 0o644),
    ];
    for (folder, to) in [("systemd", "usr/lib/systemd/system"), ("policy.d", "usr/lib/jit-sudo/policy.d")] {
        for from in files_in(&packaging.join(folder))? {
            let name = from.file_name().unwrap_or_default().to_string_lossy().into_owned();
            items.push(item(from, &format!("{to}/{name}"), 0o644));
        }
    }
    Ok(items)
}

/// The manual pages and the completions of these very programs.
fn describe(programs: &Programs, root: &Path) -> Done {
    let helper = help::of_helper(&programs.fixed.join("jit-sudo"))?;
    let control = help::of_control(&programs.dynamic.join("jitctl"))?;
    for name in pages::PAGES {
        let section = name.rsplit('.').next().unwrap_or_default();
        let page = pages::page(name, &helper, &control, &source_date())?;
        write(&root.join(format!("usr/share/man/man{section}/{name}")), &page)?;
    }
    for (path, completion) in completions::all(&helper, &control) {
        write(&root.join(path), &completion)?;
    }
    Ok(())
}

/// Which shared libraries the programs need, and which versions of them, as dpkg-shlibdeps sees it.
fn dependencies(root: &Path, programs: &Programs) -> Done<String> {
    // It insists on a source package's debian/control.
    let folder = root.with_extension("shlibdeps");
    make_folder(&folder.join("debian"))?;
    write(
        &folder.join("debian/control"),
        &format!("Source: jit-sudo\nMaintainer: {MAINTAINER}\n\nPackage: jit-sudo\nArchitecture: any\n"),
    )?;
    let mut command = command(&["dpkg-shlibdeps", "-O", "--ignore-missing-info"]);
    for name in ["jit-agentd", "jit-spawner", "jitctl", "libpam_jit.so"] {
        command.arg(format!("-e{}", programs.dynamic.join(name).display()));
    }
    command.current_dir(&folder);
    let found = read(command)?;
    let depends = found.lines().find_map(|line| line.strip_prefix("shlibs:Depends="));
    let depends = depends.ok_or_else(|| format!("dpkg-shlibdeps said: {found}"))?;
    let _ = fs::remove_dir_all(&folder);
    Ok(depends.to_owned())
}

fn put(item: &Item, root: &Path) -> Done {
    let to = root.join(&item.to);
    make_folder(to.parent().unwrap_or(root))?;
    let failed = |error| format!("{} to {}: {error}", item.from.display(), to.display());
    fs::copy(&item.from, &to).map_err(failed)?;
    fs::set_permissions(&to, fs::Permissions::from_mode(item.mode)).map_err(failed)
}

fn make_folder(path: &Path) -> Done {
    fs::create_dir_all(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Whatever our umask is: a package's folders are for all to enter.
fn open_folders(root: &Path) -> Done {
    read(command(&["find", &text(root), "-type", "d", "-exec", "chmod", "755", "{}", "+"])).map(drop)
}

fn write(path: &Path, content: &str) -> Done {
    make_folder(path.parent().unwrap_or(path))?;
    fs::write(path, content).map_err(|error| format!("{}: {error}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
        .map_err(|error| format!("{}: {error}", path.display()))
}

fn files_in(folder: &Path) -> Done<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut files: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    Ok(files)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
