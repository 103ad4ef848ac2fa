//! Every parser a network reaches: the kept corpus and a bounded number of mutations.
#![forbid(unsafe_code)]

use jitctl_fuzz::mutator::Mutator;
use jitctl_fuzz::{corpus, targets};

/// Mutations of each target; `fuzz all COUNT` does more.
const MUTATIONS: usize = 2000;

#[test]
fn recorded_made_and_kept_inputs_break_nothing() {
    for target in targets::ALL {
        for input in corpus::inputs(target) {
            (target.run)(&input);
        }
    }
}

#[test]
fn mutated_inputs_break_nothing() {
    for target in targets::ALL {
        let inputs = corpus::inputs(target);
        let mut mutator = Mutator::new(MUTATIONS as u64);
        // An association of DTLS or SCTP takes a while in a debug build.
        let has_sessions = ["dtls", "sctp", "transport"].contains(&target.name);
        let count = if has_sessions {
            MUTATIONS / 10
        } else {
            MUTATIONS
        };
        for _ in 0..count {
            let (input, other) = (mutator.below(inputs.len()), mutator.below(inputs.len()));
            let input = mutator.mutated(&inputs[input], &inputs[other]);
            (target.run)(&input);
        }
    }
}

#[test]
fn the_kept_corpus_belongs_to_targets() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let target = targets::named(&name);
        assert!(
            target.is_some_and(|target| !corpus::kept(target).is_empty()),
            "{name}"
        );
    }
}

#[test]
fn the_same_seed_makes_the_same_inputs() {
    let made = |seed| {
        let mut mutator = Mutator::new(seed);
        (0..100)
            .map(|_| mutator.mutated(b"<a b='c'/>", b"{}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(made(7), made(7));
    assert_ne!(made(7), made(8));
}
