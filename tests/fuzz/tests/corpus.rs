//! The corpus, and what is near it: a look at each target without a fuzzer.
#![allow(clippy::panic, reason = "test code fails by panicking")]

use jit_fuzz::TARGETS;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// How many altered seeds each target is tried with: seconds in all.
const TRIES: u32 = 500;
/// The longest input.
const LONGEST: usize = 16 << 10;

/// What is put between the bytes of a seed.
const PIECES: [&[u8]; 24] = [
    b"",
    b"\0",
    b"\n",
    b"\r\n",
    b" ",
    b"#",
    b"\"",
    b"'",
    b"\\",
    b"[",
    b"]",
    b"{",
    b"}",
    b",",
    b"=",
    b"*",
    b"**",
    b"!",
    b"ALL",
    b"4294967295",
    b"-1",
    "\u{202e}".as_bytes(),
    "\u{feff}".as_bytes(),
    b"\xff",
];

/// One change of a seed: a range of it is replaced by a range of another seed, or by a piece.
#[derive(Debug, Clone)]
struct Edit {
    from: Index,
    length: usize,
    with: With,
}

#[derive(Debug, Clone)]
enum With {
    Piece(&'static [u8]),
    Part { seed: Index, from: Index, length: usize },
}

fn edit() -> impl Strategy<Value = Edit> {
    let part = (any::<Index>(), any::<Index>(), 0..64_usize);
    let with = prop_oneof![
        select(PIECES.to_vec()).prop_map(With::Piece),
        part.prop_map(|(seed, from, length)| With::Part { seed, from, length }),
    ];
    (any::<Index>(), prop_oneof![Just(0_usize), 0..32_usize], with).prop_map(|(from, length, with)| Edit {
        from,
        length,
        with,
    })
}

/// The range of this length from there, as far as there is one.
fn range(bytes: &[u8], from: Index, length: usize) -> std::ops::Range<usize> {
    let from = from.index(bytes.len() + 1);
    from..bytes.len().min(from + length)
}

fn altered(seeds: &[Vec<u8>], seed: Index, edits: &[Edit]) -> Vec<u8> {
    let mut bytes = seed.get(seeds).clone();
    for Edit { from, length, with } in edits {
        let piece = match with {
            With::Piece(piece) => piece.to_vec(),
            With::Part { seed, from, length } => {
                let other = seed.get(seeds);
                other.get(range(other, *from, *length)).unwrap_or_default().to_vec()
            }
        };
        bytes.splice(range(&bytes, *from, *length), piece);
    }
    bytes.truncate(LONGEST);
    bytes
}

// "Parsing and loading survive fuzzing … a short smoke in the tests, corpus kept"
#[test]
fn every_target_keeps_its_promises_for_its_corpus_and_for_what_is_near_it() {
    for target in TARGETS {
        let seeds = target.seeds();
        assert!(seeds.len() > 2, "{} has a corpus", target.name);
        for seed in &seeds {
            (target.run)(seed);
        }
        // The same each time: a test that fails on some days only is worth nothing, and luck is the fuzzer's part.
        let config = Config { cases: TRIES, failure_persistence: None, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
        runner
            .run(&(any::<Index>(), vec(edit(), 1..6)), |(seed, edits)| {
                (target.run)(&altered(&seeds, seed, &edits));
                Ok(())
            })
            .unwrap_or_else(|error| panic!("{}: {error}", target.name));
    }
}
