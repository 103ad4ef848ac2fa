//! Whatever happens in a meeting, in whatever order: numbers are used once, decoders get streams
//! that run on (the model of one asserts it), and when all is well again everybody gets what the
//! bridge says it sends, from whom it says.
#![expect(clippy::expect_used, reason = "tests name what must hold")]

mod support;

use std::time::Duration;

use jitctl_media::channel::ChannelMessage;
use jitctl_media::conference::{ConferenceConfig, EndpointDescription};
use jitctl_media::source::MediaKind;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use support::World;

const PEOPLE: usize = 4;
/// Fewer than there are cameras of others: they take turns.
const SLOTS: usize = 2;

#[derive(Clone, Copy, Debug)]
enum Happening {
    Wants(i32, i32),
    Stage(usize),
    Loss(u32, u32),
    Jitter(u64),
    Rate(u64),
    Silence,
    Speech,
    ForcedMute(bool),
    Video(bool),
    Sources(bool),
    Transport(bool),
    Channel,
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening::*;
    prop_oneof![
        3 => (-1..4, prop_oneof![Just(0), Just(180), Just(360), Just(720)])
            .prop_map(|(last_n, height)| Wants(last_n, height)),
        3 => (0..PEOPLE).prop_map(Stage),
        2 => (0_u32..150, 0_u32..150).prop_map(|(up, down)| Loss(up, down)),
        1 => (0_u64..30).prop_map(Jitter),
        1 => prop_oneof![Just(0), 300_000..3_000_000_u64].prop_map(Rate),
        1 => Just(Silence),
        1 => Just(Speech),
        1 => any::<bool>().prop_map(ForcedMute),
        1 => any::<bool>().prop_map(Video),
        2 => any::<bool>().prop_map(Sources),
        1 => any::<bool>().prop_map(Transport),
        1 => Just(Channel),
    ]
}

fn state_sources(world: &mut World, who: usize, has_video: bool) {
    let index = world.participants[who].index;
    for (kind, sources) in world.participants[who].client.descriptions() {
        let is_stated = kind == MediaKind::Audio || has_video;
        let sources = if is_stated { sources } else { vec![] };
        world
            .conference
            .set_sources(world.now, index, kind, sources)
            .expect("sources of its own");
    }
}

fn happen(world: &mut World, who: usize, what: Happening) {
    let now = world.now;
    let index = world.participants[who].index;
    let participant = &mut world.participants[who];
    match what {
        Happening::Wants(last_n, height) => world.constrain(who, last_n, height, &[]),
        Happening::Stage(whom) => {
            let name = world.video_name(whom);
            world.constrain(who, -1, 180, &[&name]);
        }
        Happening::Loss(up, down) => (participant.up.loss, participant.down.loss) = (up, down),
        Happening::Jitter(milliseconds) => {
            participant.up.jitter = Duration::from_millis(milliseconds);
            participant.down.jitter = Duration::from_millis(milliseconds);
        }
        Happening::Rate(rate) => participant.down.rate = rate,
        Happening::Silence => participant.client.loudness = 0,
        Happening::Speech => participant.client.loudness = 90,
        Happening::ForcedMute(is_muted) => {
            world.conference.set_force_mute(index, is_muted, is_muted);
        }
        Happening::Video(is_on) => participant.client.sends_video = is_on,
        Happening::Sources(has_video) => state_sources(world, who, has_video),
        Happening::Transport(is_ready) => {
            world.conference.set_transport_ready(now, index, is_ready);
        }
        Happening::Channel => {
            world.conference.channel_closed(index);
            world.conference.channel_opened(now, index);
        }
    }
}

/// Names of the sources that a receiver was last told it gets.
fn forwarded(world: &World, who: usize) -> Vec<String> {
    let mut told = world.participants[who].messages.iter().rev();
    told.find_map(|(_, message)| match message {
        ChannelMessage::ForwardedSources { forwarded_sources } => Some(forwarded_sources.clone()),
        _ => None,
    })
    .unwrap_or_default()
}

/// Stream on which a receiver gets a source, by what it was told.
fn stream(world: &World, who: usize, name: &str, is_mapped: bool) -> u32 {
    if !is_mapped {
        let sender = (0..PEOPLE).find(|sender| world.video_name(*sender) == name);
        return world.video_ssrc(sender.expect("a sender"));
    }
    let told = world.participants[who].messages.iter().rev();
    told.filter_map(|(_, message)| match message {
        ChannelMessage::VideoSourcesMap { mapped_sources } => Some(mapped_sources),
        _ => None,
    })
    .flatten()
    .find(|mapping| mapping.source == name)
    .expect("a mapping")
    .ssrc
}

proptest! {
    // The same stories each time; more of them by hand.
    #![proptest_config(ProptestConfig {
        cases: 12,
        rng_seed: RngSeed::Fixed(4),
        failure_persistence: None,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    })]

    #[test]
    fn all_is_well_again_after_turmoil(
        seed: u64,
        story in proptest::collection::vec((0..PEOPLE, happening(), 1_u64..700), 1..40),
    ) {
        let mut world = World::with(ConferenceConfig {
            seed,
            video_slots: SLOTS,
            audio_slots: SLOTS,
            ..ConferenceConfig::default()
        });
        for who in 0..PEOPLE {
            let description = EndpointDescription {
                ssrc_rewriting: who % 2 == 1,
                mid_demux: who == 3,
                ..EndpointDescription::new(format!("abcd000{who}"))
            };
            world.join_as(description, true);
            world.participants[who].client.allows_picture_gaps = true;
            world.constrain(who, -1, 360, &[]);
        }
        for (who, what, milliseconds) in story {
            happen(&mut world, who, what);
            world.run(milliseconds);
        }
        for who in 0..PEOPLE {
            for what in [
                Happening::Loss(0, 0),
                Happening::Jitter(0),
                Happening::Rate(0),
                Happening::Speech,
                Happening::ForcedMute(false),
                Happening::Video(true),
                Happening::Transport(true),
                Happening::Sources(true),
                Happening::Wants(-1, 180),
            ] {
                happen(&mut world, who, what);
            }
        }
        world.run(6_000);
        for who in 0..PEOPLE {
            let names = forwarded(&world, who);
            prop_assert_eq!(names.len(), SLOTS, "{} gets {:?}", who, names);
            for name in names {
                let ssrc = stream(&world, who, &name, who % 2 == 1);
                let now = world.milliseconds();
                let decoder = world.participants[who].client.decoder(ssrc);
                let shown: Vec<_> = decoder.shown_in(now - 1_000, now).collect();
                prop_assert!(shown.len() > 20, "{who} sees {} of {name}", shown.len());
                let sender = (0..PEOPLE).find(|sender| world.video_name(*sender) == name);
                prop_assert!(shown.iter().all(|frame| Some(usize::from(frame.sender)) == sender));
            }
            let audio = &world.participants[who].client.audio;
            let now = world.milliseconds();
            let heard = |packets: &&Vec<(u64, u16)>| {
                packets.iter().filter(|(time, _)| time + 1_000 > now).count() > 30
            };
            let voices = if who % 2 == 1 { SLOTS } else { PEOPLE - 1 };
            prop_assert!(audio.values().filter(heard).count() >= voices, "{who} hears too few");
        }
    }
}
