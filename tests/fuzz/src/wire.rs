//! A message from a socket, whoever is at its other end.

use std::fmt::Debug;

use jit_protocol::chunk::{Joiner, split};
use jit_protocol::frame::Frame;
use jit_protocol::link::{FromMonitor, ToMonitor};
use jit_protocol::login::{LoginAnswer, LoginRequest};
use jit_protocol::order::Order;
use jit_protocol::request::Envelope;
use jit_protocol::response::Response;
use jit_protocol::spawner::Welcome;
use jit_protocol::{escape, escape_lines};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{from_slice, to_vec};

pub(crate) fn run(bytes: &[u8]) {
    if let Ok(frame) = Frame::decode(bytes) {
        assert_eq!(&**frame.encode(), bytes, "a frame has one form");
    }
    if let Ok(Some(text)) = Joiner::default().push(bytes) {
        message(&text);
    }
    message(bytes);
    let messages = split(bytes).expect("it is short");
    let mut joiner = Joiner::default();
    let joined = messages.iter().find_map(|message| joiner.push(message).expect("a chunk"));
    assert_eq!(joined.as_deref(), Some(bytes));
    for shown in [escape(bytes), escape_lines(&String::from_utf8_lossy(bytes))] {
        assert!(!shown.contains(|letter: char| letter.is_control() && letter != '\n'), "{shown:?}");
    }
}

/// As each of the types that are received; what is understood is sent as it was meant.
fn message(text: &[u8]) {
    same::<Envelope>(text);
    same::<Response>(text);
    same::<Order>(text);
    same::<Welcome>(text);
    same::<LoginRequest>(text);
    same::<LoginAnswer>(text);
    same::<FromMonitor>(text);
    same::<ToMonitor>(text);
}

fn same<T: Serialize + DeserializeOwned + PartialEq + Debug>(text: &[u8]) {
    if let Ok(read) = from_slice::<T>(text) {
        let sent = to_vec(&read).expect("what was read can be written");
        assert_eq!(from_slice::<T>(&sent).expect("what was written can be read"), read);
    }
}
