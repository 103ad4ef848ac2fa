//! Each fault is produced for real, one at a time; `jitctl doctor` names it as its first finding,
//! and finds nothing once it is mended. Prints the confusion matrix. `JITCTL_FAULTS=WORDS,…` keeps
//! to faults with such words in their names, while one is being written.

mod faults;

use std::io::Write as _;
use std::panic::catch_unwind;
use std::time::{Duration, Instant};

use faults::{Fault, all};
use jitctl_tests::Lab;
use serde_json::Value;

/// How long a mended site may take until everything is in order again: a bridge connects again with
/// growing pauses, and the focus gives one that failed a check no rooms for a minute after that.
const RECOVERY: Duration = Duration::from_secs(100);

/// One line of the matrix.
struct Verdict {
    fault: &'static Fault,
    first: String,
    others: Vec<String>,
    took: Duration,
    recovered: bool,
}

#[test]
fn every_fault_is_the_first_finding() {
    say("\n| Fault | Expected | First finding | Others | Seconds |\n|--|--|--|--|--|\n");
    // Two labs at once, each with its part of the faults: they spend their time waiting.
    let verdicts: Vec<Verdict> = std::thread::scope(|scope| {
        let parts = [0, 1].map(|part| scope.spawn(move || in_a_lab_of_its_own(part)));
        parts
            .into_iter()
            .flat_map(|part| part.join().expect("the lab comes up and is healthy"))
            .collect()
    });
    let wrong: Vec<String> = verdicts
        .iter()
        .filter(|verdict| verdict.first != expected(verdict.fault) || !verdict.recovered)
        .map(|verdict| {
            format!(
                "{}: expected {}, first was {}, recovered: {}",
                verdict.fault.name,
                expected(verdict.fault),
                verdict.first,
                verdict.recovered
            )
        })
        .collect();
    let right = verdicts.len() - wrong.len();
    let slowest = verdicts.iter().map(|verdict| verdict.took).max();
    say(&format!(
        "\n{right} of {} named first, the slowest verdict took {:.1} s\n",
        verdicts.len(),
        slowest.unwrap_or_default().as_secs_f64()
    ));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Every second fault, from `part` on.
fn in_a_lab_of_its_own(part: usize) -> Vec<Verdict> {
    let lab = Lab::deployed_with_everything(&format!("doctor{part}"), 3, 2000);
    if let Err(findings) = wait_for_health(&lab) {
        panic!("the new site is not healthy: {findings:#?}");
    }
    let only = std::env::var("JITCTL_FAULTS").unwrap_or_default();
    let verdicts = all()
        .skip(part)
        .step_by(2)
        .filter(|fault| only.split(',').any(|words| fault.name.contains(words)))
        .map(|fault| examine(&lab, fault))
        .inspect(show)
        .collect();
    if part == 0 {
        two_faults_at_once(&lab);
    }
    verdicts
}

fn expected(fault: &Fault) -> String {
    format!("{} {}", fault.code, fault.host)
}

fn examine(lab: &Lab, fault: &'static Fault) -> Verdict {
    // One fault that cannot be produced must not hide the verdicts on the others.
    let produced = catch_unwind(|| (fault.cause)(lab)).is_ok();
    let started = Instant::now();
    let findings = findings(lab);
    let took = started.elapsed();
    let mended = catch_unwind(|| (fault.mend)(lab)).is_ok();
    let mut names = findings.iter().map(|finding| {
        let host = finding["host"].as_str().unwrap_or("-");
        format!("{} {host}", finding["code"].as_str().unwrap_or("?"))
    });
    let first = names.next().unwrap_or_else(|| "nothing".to_owned());
    let others = names.collect();
    let recovered = match wait_for_health(lab) {
        Ok(()) => produced && mended,
        Err(findings) => {
            say(&format!("{} does not heal: {findings:#?}\n", fault.name));
            false
        }
    };
    if first != expected(fault) {
        say(&format!("{}: {findings:#?}\n", fault.name));
    }
    Verdict {
        fault,
        first,
        others,
        took,
        recovered,
    }
}

fn findings(lab: &Lab) -> Vec<Value> {
    let outcome = lab.run_outside(&["--json", "doctor"]);
    let report = outcome.json();
    let findings = report["findings"].as_array().cloned().unwrap_or_default();
    let code = if findings.is_empty() { 0 } else { 4 };
    outcome.expect(code);
    findings
}

fn wait_for_health(lab: &Lab) -> Result<(), Vec<Value>> {
    let end = Instant::now() + RECOVERY;
    loop {
        let findings = findings(lab);
        if findings.is_empty() {
            return Ok(());
        }
        if Instant::now() > end {
            return Err(findings);
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Neither hides the other.
fn two_faults_at_once(lab: &Lab) {
    let pick = |code| all().find(|fault| fault.code == code);
    let (Some(one), Some(two)) = (pick("X01"), pick("W03")) else {
        panic!("both faults are in the table");
    };
    (one.cause)(lab);
    (two.cause)(lab);
    let codes: Vec<String> = findings(lab)
        .iter()
        .filter_map(|finding| finding["code"].as_str().map(str::to_owned))
        .collect();
    (one.mend)(lab);
    (two.mend)(lab);
    assert!(
        codes.contains(&"X01".to_owned()) && codes.contains(&"W03".to_owned()),
        "{codes:?}"
    );
}

fn show(verdict: &Verdict) {
    say(&format!(
        "| {} | {} | {} | {} | {:.1} |\n",
        verdict.fault.name,
        expected(verdict.fault),
        verdict.first,
        verdict.others.join(", "),
        verdict.took.as_secs_f64()
    ));
}

/// Past the capture of the test harness: the matrix is the result.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody may be reading.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
