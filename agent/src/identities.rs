//! Who somebody may be: nobody answers a request of their own, and each person counts once.

use serde::{Deserialize, Serialize};

/// The users that a person who asks or approves may be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Identities(Vec<u32>);

impl Identities {
    /// The user, the login (an unset one equals nothing), and whose sessions it comes from inside of.
    pub fn new(uid: u32, login: Option<u32>, around: impl IntoIterator<Item = u32>) -> Self {
        let mut all: Vec<u32> = [uid].into_iter().chain(login).chain(around).collect();
        all.sort_unstable();
        all.dedup();
        Self(all)
    }

    /// Whether it may be the same person: one user is among those of both.
    pub fn may_be(&self, other: &Self) -> bool {
        self.0.iter().any(|uid| other.0.contains(uid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: u32 = 1000;
    const BOB: u32 = 1001;
    const SERVICE: u32 = 990;

    #[test]
    fn who_may_be_the_same_person_is_no_second_one() {
        let of = |uid, login, around: &[u32]| Identities::new(uid, login, around.iter().copied());
        for (one, other, same) in [
            (of(ALICE, None, &[]), of(BOB, None, &[]), false),
            (of(ALICE, Some(ALICE), &[]), of(BOB, Some(BOB), &[]), false),
            (of(ALICE, None, &[]), of(ALICE, None, &[]), true),
            (of(BOB, Some(ALICE), &[]), of(ALICE, None, &[]), true),
            (of(BOB, Some(ALICE), &[]), of(SERVICE, Some(ALICE), &[]), true),
            (of(BOB, None, &[ALICE]), of(ALICE, None, &[]), true),
            // Without login uids: alice asks as a service, from a session of hers, and approves as herself.
            (of(SERVICE, None, &[ALICE]), of(ALICE, None, &[]), true),
            (of(SERVICE, None, &[ALICE]), of(0, None, &[BOB, ALICE]), true),
            (of(SERVICE, None, &[ALICE]), of(BOB, None, &[]), false),
        ] {
            assert_eq!((one.may_be(&other), other.may_be(&one)), (same, same), "{one:?} and {other:?}");
        }
    }
}
