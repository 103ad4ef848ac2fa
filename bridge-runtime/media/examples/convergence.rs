//! Prints how the downlink estimate converges on simulated links.

#[path = "../tests/support/mod.rs"]
mod support;

use std::io::Write;

use support::estimation::Convergence;

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let titles = [
        [
            "link", "capacity", "estimate", "draft", "received", "seconds", "draft", "freeze",
        ],
        [
            "", "kbit/s", "kbit/s", "kbit/s", "kbit/s", "to 70%", "seconds", "ms",
        ],
    ];
    for title in titles {
        line(&mut out, title)?;
    }
    let table = support::estimation::table();
    let shared = support::estimation::on_shared_link(3_000);
    let received = shared.each_ref().map(|row| row.received);
    let rows = table.into_iter().chain(shared);
    for row in rows.chain([support::estimation::beside_tcp()]) {
        let seconds = |value: Option<f64>| {
            value.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1}"))
        };
        let Convergence {
            name,
            capacity,
            estimate,
            received,
            freeze,
            ..
        } = row;
        let numbers = [capacity, estimate, row.expected(), received].map(|it| it.to_string());
        let [capacity, estimate, expected, received] = &numbers;
        line(
            &mut out,
            [
                name,
                capacity,
                estimate,
                expected,
                received,
                &seconds(row.seconds),
                &seconds(row.expected_seconds()),
                &freeze.to_string(),
            ],
        )?;
    }
    let sum: u64 = received.iter().sum();
    let squares: u64 = received.iter().map(|rate| rate * rate).sum();
    let index = sum * sum * 100 / (2 * squares);
    let (whole, hundredths) = (index / 100, index % 100);
    writeln!(
        out,
        "Jain's index of the shared link: {whole}.{hundredths:02}"
    )?;
    let freezes = support::estimation::freezes_on_shared_links((2_000..=5_000).step_by(75));
    let count = freezes.len();
    let mean = freezes.iter().sum::<u64>() / count as u64;
    let above = |limit| freezes.iter().filter(|freeze| **freeze > limit).count();
    writeln!(
        out,
        "longest freezes of {count} receivers on shared links of 2 to 5 Mbit/s: {mean} ms in the mean, \
         {} above 500 ms, {} above 1 s",
        above(500),
        above(1_000)
    )
}

fn line(out: &mut impl Write, cells: [&str; 8]) -> std::io::Result<()> {
    let [name, rest @ ..] = cells;
    write!(out, "{name:<28}")?;
    for cell in rest {
        write!(out, " {cell:>9}")?;
    }
    writeln!(out)
}
