//! `-e`, with the test as monitor and as `jit-edit`.

use std::io;
use std::os::fd::OwnedFd;
use std::process::Output;

use jit_protocol::edit::{Channel, Kind as Word};
use jit_protocol::frame::{Frame, Kind};

use crate::{Helper, run};

/// What `jit-edit` never says. The program may have left before all of it is said.
type Wrong = fn(&Channel<OwnedFd>) -> io::Result<()>;

/// The end of `jit-edit`, once the program has heard that it runs.
fn started(helper: &mut Helper) -> Channel<OwnedFd> {
    let mut descriptors = std::mem::take(&mut helper.descriptors).into_iter();
    let [input, output, error] = [(); 3].map(|()| descriptors.next().unwrap());
    let is_same = |one: &OwnedFd, other: &OwnedFd| {
        let [one, other] = [one, other].map(|file| rustix::fs::fstat(file).unwrap());
        (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
    };
    let null = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    assert!(is_same(&input, &output) && is_same(&error, &null), "nothing of the person's goes along");
    assert!(helper.elevate().terminal.is_none());
    helper.says(&Frame::new(Kind::Started, 0));
    Channel::over(input)
}

fn contents(channel: &Channel<OwnedFd>, text: &str) -> io::Result<()> {
    channel.send(Word::File, 0, &[])?;
    channel.send_contents(&mut text.as_bytes(), || Ok(())).map(|read| read.unwrap())
}

fn edit(editor: &str, files: &str, talk: impl FnOnce(Helper)) -> Output {
    run(&format!("unset SUDO_EDITOR VISUAL; EDITOR=\"{editor}\" exec \"$0\" -n -e {files}"), b"", talk)
}

/// What it said on standard error, and with which status it ended.
fn told(output: &Output) -> (String, Option<i32>) {
    (String::from_utf8(output.stderr.clone()).unwrap(), output.status.code())
}

#[test]
fn only_what_was_changed_is_sent_back() {
    let output = edit("sed -i s/old/new/", "/etc/one ./two", |mut helper| {
        let asked = helper.elevate().clone();
        let here = std::env::current_dir().unwrap().display().to_string();
        assert_eq!(asked.edit.unwrap(), ["/etc/one".into(), format!("{here}/./two").into()]);
        assert_eq!(asked.command, ["sudoedit", "/etc/one", "./two"].map(jit_protocol::Bytes::from));
        let channel = started(&mut helper);
        contents(&channel, "the same\n").unwrap();
        contents(&channel, "old\n").unwrap();
        channel.send(Word::Ready, 0, &[]).unwrap();
        let save = channel.receive().unwrap();
        assert_eq!((save.kind, save.value), (Word::Save, 1));
        let mut saved = Vec::new();
        channel.receive_contents(&mut saved, || Ok(())).unwrap().unwrap();
        assert_eq!(saved, b"new\n");
        channel.send(Word::Saved, 0, &[]).unwrap();
        assert!(channel.receive().is_err(), "it wants nothing more");
        helper.says(&Frame::new(Kind::Ended, 0));
    });
    assert_eq!(told(&output), ("jit-sudo: /etc/one unchanged\n".to_owned(), Some(0)));
}

// The one at the other end may be anything: a copy is as long as it may be, and a text is shown and not obeyed.
#[test]
fn another_protocol_is_no_edit() {
    let wrongs: [(Wrong, &str); 6] = [
        (|channel| channel.send(Word::Data, 0, b"x"), "jit-edit speaks another protocol"),
        (|channel| channel.send(Word::Ready, 0, &[]), "jit-edit speaks another protocol"),
        (
            |channel| contents(channel, "one").and(contents(channel, "two")),
            "jit-edit speaks another protocol",
        ),
        (
            |channel| channel.send(Word::File, 0, &[]).and(channel.send(Word::Saved, 0, &[])),
            "jit-edit speaks another protocol",
        ),
        (|channel| channel.send(Word::Refused, 0, b"/etc/x: \x1b[2Jno"), "/etc/x: \\x1b[2Jno"),
        (|_| Ok(()), "the session ended before all was saved"),
    ];
    for (wrong, why) in wrongs {
        let output = edit("touch /nonexistent", "/etc/one", |mut helper| {
            let channel = started(&mut helper);
            if wrong(&channel).is_ok() {
                drop(channel);
                // It has heard enough, and may be gone as well.
                let _ = helper.connection.send_frame(&Frame::new(Kind::Ended, 0), &[]);
            }
        });
        assert_eq!(told(&output), (format!("jit-sudo: {why}\n"), Some(1)));
    }
}

#[test]
fn why_the_session_ended_is_told_and_where_the_text_is() {
    let output = edit("sed -i s/old/new/", "/etc/one", |mut helper| {
        let channel = started(&mut helper);
        contents(&channel, "old\n").unwrap();
        channel.send(Word::Ready, 0, &[]).unwrap();
        assert_eq!(channel.receive().unwrap().kind, Word::Save);
        helper.says(&Frame::with(Kind::Notice, 0, "the session ends: its time is up", ""));
        drop(channel);
        helper.says(&Frame::new(Kind::Ended, -15));
    });
    let (text, status) = told(&output);
    let (before, left) = text.split_once("contents of edit session left in ").unwrap();
    assert_eq!(
        before,
        "jit-sudo: the session ends: its time is up\njit-sudo: the session ended before all was saved\njit-sudo: "
    );
    assert_eq!((std::fs::read_to_string(left.trim()).unwrap().as_str(), status), ("new\n", Some(1)));
    std::fs::remove_dir_all(std::path::Path::new(left.trim()).parent().unwrap()).unwrap();
}

/// What is left in the folder that the last line of this text names, which is then removed.
fn left(text: &str) -> Vec<(String, String)> {
    let (_, path) = text.rsplit_once("contents of edit session left in ").unwrap();
    let folder = std::path::Path::new(path.trim()).parent().unwrap();
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap());
    let files = files.map(|file| {
        let text = std::fs::read_to_string(file.path()).unwrap_or_default();
        (file.file_name().into_string().unwrap(), text)
    });
    let files = files.collect();
    std::fs::remove_dir_all(folder).unwrap();
    files
}

// vi has what was typed in there when its terminal is gone; sudo leaves it, too.
#[test]
fn what_a_killed_editor_has_kept_of_the_text_stays() {
    let script = tempfile::tempdir().unwrap();
    let editor = script.path().join("vi");
    std::fs::write(&editor, "echo typed >\"${1%/*}/.one.swp\"; kill -KILL $$\n").unwrap();
    let output = edit(&format!("sh {}", editor.display()), "/etc/one", |mut helper| {
        let channel = started(&mut helper);
        contents(&channel, "old\n").unwrap();
        channel.send(Word::Ready, 0, &[]).unwrap();
        assert!(channel.receive().is_err());
    });
    let (text, status) = told(&output);
    assert!(text.starts_with("jit-sudo: sh: killed by signal 9, and nothing was saved\n"), "{text}");
    assert_eq!((left(&text), status), (vec![(".one.swp".to_owned(), "typed\n".to_owned())], Some(1)));
}

#[test]
fn a_copy_that_can_not_be_read_again_stays() {
    let script = tempfile::tempdir().unwrap();
    let editor = script.path().join("ed");
    std::fs::write(&editor, "mv $1 $1.new; ln -s $1.new $1\n").unwrap();
    let output = edit(&format!("sh {}", editor.display()), "/etc/one", |mut helper| {
        let channel = started(&mut helper);
        contents(&channel, "old\n").unwrap();
        channel.send(Word::Ready, 0, &[]).unwrap();
        assert!(channel.receive().is_err());
        helper.says(&Frame::new(Kind::Ended, 0));
    });
    let (text, status) = told(&output);
    assert!(text.contains("/etc/one left unmodified\n"), "{text}");
    let names: Vec<String> = left(&text).into_iter().map(|(name, _)| name).collect();
    assert!(names.contains(&"one.new".to_owned()) && status == Some(1), "{names:?}");
}

#[test]
fn without_an_editor_nobody_is_asked_anything() {
    for (variables, why) in [
        ("EDITOR=\"vi -- x\"", "ignoring editor of EDITOR: editor arguments may not contain \"--\""),
        ("VISUAL=\"vi \\\"x\"", "the value of VISUAL has a quote that is never closed"),
    ] {
        let script = format!("unset SUDO_EDITOR VISUAL EDITOR; {variables} exec \"$0\" -n -e /etc/one");
        let output = std::process::Command::new("sh").args(["-c", &script, crate::PROGRAM]).output().unwrap();
        let (text, status) = told(&output);
        assert!(text.starts_with(&format!("jit-sudo: {why}\nhint: ")), "{text}");
        assert_eq!(status, Some(1));
    }
}
