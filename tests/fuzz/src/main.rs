//! Mutates for as long as one likes, on the stable toolchain, and repeatably.
//!
//! ```text
//! cargo run --release -p jitctl-fuzz -- all 100000        every parser, so many inputs each
//! cargo run --release -p jitctl-fuzz -- stun 10000000 7   one of them, from another seed
//! cargo run --release -p jitctl-fuzz -- siege 10000000    packets at a running conference
//! ```
//!
//! An input that breaks something is kept below `tests/fuzz/corpus/`, where every later run finds
//! it.
#![forbid(unsafe_code)]

use std::error::Error;
use std::io::{self, Write as _};
use std::time::Instant;

use jitctl_fuzz::mutator::Mutator;
use jitctl_fuzz::targets::{self, Target};
use jitctl_fuzz::{corpus, siege};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (Some(what), Some(count)) = (arguments.first(), arguments.get(1)) else {
        return Err("usage: fuzz TARGET|all|siege COUNT [SEED]".into());
    };
    let count: u64 = count.parse()?;
    let seed: u64 = arguments
        .get(2)
        .map_or(Ok(1), |seed| seed.parse())
        .map_err(|error| format!("SEED: {error}"))?;
    let mut out = io::stdout().lock();
    match what.as_str() {
        "siege" => {
            let report = siege::run(count, seed);
            writeln!(out, "{report}")?;
            report.verdict()?;
        }
        "all" => {
            for target in targets::ALL {
                writeln!(out, "{}", fuzz(target, count, seed)?)?;
            }
        }
        name => {
            let target = targets::named(name).ok_or("no such target")?;
            writeln!(out, "{}", fuzz(target, count, seed)?)?;
        }
    }
    Ok(())
}

fn fuzz(target: &Target, count: u64, seed: u64) -> Result<String, Box<dyn Error>> {
    let inputs = corpus::inputs(target);
    let mut mutator = Mutator::new(seed);
    let began = Instant::now();
    for _ in 0..count {
        let (input, other) = (mutator.below(inputs.len()), mutator.below(inputs.len()));
        let input = mutator.mutated(&inputs[input], &inputs[other]);
        if std::panic::catch_unwind(|| (target.run)(&input)).is_err() {
            let folder = corpus::folder(target);
            std::fs::create_dir_all(&folder)?;
            let path = folder.join(format!("broke-{seed}-{}", input.len()));
            std::fs::write(&path, &input)?;
            return Err(format!("{}: kept as {}", target.name, path.display()).into());
        }
    }
    Ok(format!(
        "{:16} {count:10} inputs from {:4} in {:6.1} s",
        target.name,
        inputs.len(),
        began.elapsed().as_secs_f64()
    ))
}
