//! `jitctl load`: many people in many rooms, and what they saw.

use std::fmt::Write as _;
use std::time::Duration;

use jitctl_participant::{LoadOptions, LoadReport, LoadState, Video, load};
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::meeting::{self, Way};
use crate::printer::{Cell, Style, Tone, View, table};

/// Fill rooms with people who are not there, and tell how they fared.
///
/// Participants without a browser join as people do and send Opus- and VP8-shaped packets. The
/// table shows who came how far; the report has join times, packets lost, rates and what each
/// bridge carried. All of it runs in this one process: watch its own CPU before blaming the site.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[
        ("jitctl load --rooms 10 --people 3 --video 2", "ten small meetings for half a minute"),
        ("jitctl load --rooms 1 --people 30 --video 5 --seconds 60", "one big one"),
        ("jitctl load --rooms 40 --people 3 --json | jq .bridges", "how rooms spread"),
    ],
    &[
        Exit::Success, Exit::Failure, Exit::Usage, Exit::Findings, Exit::Connect, Exit::Interrupted,
    ],
))]
pub(crate) struct Load {
    /// How many rooms.
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rooms: u32,

    /// How many people in each room.
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u32).range(2..=1000))]
    people: u32,

    /// How many of them send video.
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    video: u32,

    /// How long media flows once everybody is in, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    seconds: u64,

    /// Rate of one person's video, in kbit/s.
    #[arg(long, value_name = "KILOBITS", default_value_t = 600)]
    kilobits: u32,

    /// Send one layer of video instead of three (simulcast).
    #[arg(long)]
    single_layer: bool,

    /// Milliseconds between one join and the next.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 20)]
    spacing: u64,

    #[command(flatten)]
    way: Way,
}

impl Load {
    pub(crate) async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let site = context.open()?;
        let meeting = self.way.site(context, &site)?;
        let options = LoadOptions {
            rooms: self.rooms,
            people: self.people,
            video: self.video,
            camera: Video {
                layers: if self.single_layer { 1 } else { 3 },
                kilobits: self.kilobits,
            },
            duration: Duration::from_secs(self.seconds),
            spacing: Duration::from_millis(self.spacing),
            prefix: format!("{}-", meeting::room_name("load")),
        };
        let progress = context.printer.progress();
        let mut shown = None;
        let bridges = meeting::bridges(&site);
        let named = |report: LoadReport| LoadView::new(report, &bridges);
        let style = context.printer.chatter_style();
        let report = Box::pin(load(meeting, &options, |state, report| {
            let table = named(report.clone()).human(style);
            progress.live(&format!("{}\n{table}", sentence(state)));
            // Without a terminal only what changed is worth a line.
            let stage = (
                state.joined,
                state.connected,
                state.with_media,
                state.failed,
            );
            if shown.replace(stage) != Some(stage) {
                progress.plain_state(&sentence(state));
            }
        }))
        .await;
        progress.clear();
        let view = named(report);
        context.printer.view(&view);
        Ok(view.exit())
    }
}

fn sentence(state: &LoadState) -> String {
    format!(
        "{:.1} s: {} of {} in the room, {} connected, {} with media, {} failed",
        state.seconds, state.joined, state.people, state.connected, state.with_media, state.failed
    )
}

#[derive(Debug, Serialize)]
struct LoadView {
    #[serde(flatten)]
    report: LoadReport,
}

impl LoadView {
    /// With bridges named as the inventory does.
    fn new(mut report: LoadReport, bridges: &[meeting::Bridge]) -> Self {
        for bridge in &mut report.bridges {
            bridge.addresses = meeting::name_of(bridges, &bridge.addresses);
        }
        Self { report }
    }

    fn exit(&self) -> Exit {
        if self.report.good == self.report.people {
            Exit::Success
        } else if self.report.join.max == 0 {
            Exit::Connect
        } else {
            Exit::Findings
        }
    }
}

impl View for LoadView {
    fn human(&self, style: Style) -> String {
        let report = &self.report;
        let tone = if report.good == report.people {
            Tone::Good
        } else {
            Tone::Bad
        };
        let times = |spread: &jitctl_participant::Spread| {
            format!("{} / {} / {} ms", spread.p50, spread.p95, spread.max)
        };
        let sum = report.received + report.lost;
        #[expect(clippy::cast_precision_loss, reason = "a share for people")]
        let share = if sum == 0 {
            0.0
        } else {
            report.lost as f64 * 100.0 / sum as f64
        };
        let row = |name: &str, value: Cell| vec![Cell::from(name), value];
        let rows = vec![
            row(
                "people",
                format!("{} in {} rooms", report.people, report.rooms).into(),
            ),
            row(
                "good on every leg",
                Cell::toned(report.good.to_string(), tone),
            ),
            row("got every source", report.complete.to_string().into()),
            row("join p50 / p95 / max", times(&report.join).into()),
            row(
                "first media p50 / p95 / max",
                times(&report.first_media).into(),
            ),
            row(
                "all in after",
                report
                    .all_joined
                    .map_or_else(|| "-".to_owned(), |time| format!("{time} ms"))
                    .into(),
            ),
            row("packets sent", report.sent.to_string().into()),
            row("packets received", report.received.to_string().into()),
            row(
                "packets lost",
                format!("{} ({share:.2} %)", report.lost).into(),
            ),
            row(
                "received",
                format!("{:.1} Mbit/s", report.kilobits / 1000.0).into(),
            ),
            row("moved to another bridge", report.moves.to_string().into()),
        ];
        let mut text = table(style, &["load", ""], rows);
        if !report.bridges.is_empty() {
            let rows = report
                .bridges
                .iter()
                .map(|bridge| {
                    vec![
                        Cell::from(bridge.addresses.clone()),
                        bridge.rooms.to_string().into(),
                        bridge.people.to_string().into(),
                        format!("{:.1} Mbit/s", bridge.kilobits / 1000.0).into(),
                    ]
                })
                .collect();
            text.push_str("\n\n");
            text.push_str(&table(
                style,
                &["bridge", "rooms", "people", "sent to them"],
                rows,
            ));
        }
        for (reason, count) in &report.failures {
            // Writing into a text cannot fail.
            let _ = write!(text, "\n{count} × {reason}");
        }
        text
    }
}
