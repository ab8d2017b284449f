//! Texts that many grants have in common, kept once: ten thousand grants are of a few rules, users and places.

use std::collections::HashMap;
use std::sync::Arc;

use super::Grant;

/// Each text, and how many have it.
#[derive(Debug, Default)]
pub(super) struct Texts(HashMap<Arc<str>, usize>);

impl Texts {
    /// This grant is kept: its texts are those that there are, where they are equal.
    pub(super) fn share(&mut self, grant: &mut Grant) {
        for text in texts(grant) {
            if let Some((known, _)) = self.0.get_key_value(text) {
                *text = Arc::clone(known);
            }
            *self.0.entry(Arc::clone(text)).or_default() += 1;
        }
    }

    /// This grant is not kept any more, nor is what nobody else has.
    pub(super) fn release(&mut self, grant: &mut Grant) {
        for text in texts(grant) {
            if let Some(count) = self.0.get_mut(text) {
                *count -= 1;
                if *count == 0 {
                    self.0.remove(text);
                }
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

fn texts(grant: &mut Grant) -> impl Iterator<Item = &mut Arc<str>> {
    let Grant { purpose, user, target, boot_id, reason, subject, .. } = grant;
    [&mut purpose.rule, &mut purpose.key, user, target, boot_id, subject.text()].into_iter().chain(reason)
}
