//! Prints how the downlink estimate converges on simulated links.

#[path = "../tests/support/mod.rs"]
mod support;

use std::io::Write;

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{:<28} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "link", "capacity", "estimate", "received", "seconds", "freeze"
    )?;
    writeln!(
        out,
        "{:<28} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "", "kbit/s", "kbit/s", "kbit/s", "to 70%", "ms"
    )?;
    let shared = support::estimation::shared_rows();
    for row in support::estimation::table().into_iter().chain(shared) {
        let seconds = row
            .seconds
            .map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1}"));
        writeln!(
            out,
            "{:<28} {:>9} {:>9} {:>9} {:>9} {:>9}",
            row.name, row.capacity, row.estimate, row.received, seconds, row.freeze
        )?;
    }
    Ok(())
}
