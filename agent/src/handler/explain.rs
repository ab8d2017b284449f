//! `--explain`: why, and nothing runs. A person without any rule learns nothing about files or rules.

use std::sync::Arc;

use jit_protocol::frame::{Frame, Kind};
use jit_protocol::request::Elevate;

use super::case::Case;
use super::elevate::identify;
use super::plan::explanation;
use crate::admission::Place;
use crate::agent::Agent;
use crate::conversation::Conversation;
use crate::refusal::Refusal;

/// Longest explanation in bytes: it has to fit into a frame.
const LONGEST: usize = 15 * 1024;

/// Answers with the explanation that the person may have.
pub async fn explain(agent: &Arc<Agent>, conversation: Conversation, asked: Elevate, place: Place) {
    let frame = match answer(agent, &conversation, asked, place).await {
        Ok((text, permitted)) => {
            let end =
                (0..=text.len().min(LONGEST)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
            let text = text.get(..end).unwrap_or_default();
            Frame::with(Kind::Output, i32::from(!permitted), text, "")
        }
        Err(refusal) => Frame::refused(&refusal.what, &refusal.hint),
    };
    let _ = conversation.send_frame(&frame).await; // a peer that left does not want it
}

async fn answer(
    agent: &Arc<Agent>,
    conversation: &Conversation,
    asked: Elevate,
    place: Place,
) -> Result<(String, bool), Refusal> {
    let peer = &conversation.peer;
    let question = Box::pin(identify(agent, peer, asked, place, &mut Case::of(agent, peer))).await?;
    let task = Arc::clone(agent);
    let work = move || Ok(explanation(&task, &question));
    agent.lookup.run(peer.uid(), work).await.map_err(|error| Refusal::failure(error.to_string()))?
}
