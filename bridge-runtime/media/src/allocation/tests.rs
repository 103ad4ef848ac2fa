use proptest::prelude::*;

use super::*;
use crate::channel::{ConstraintsMessage, ReceiverAudioSubscription, ReceiverVideoConstraints};
use crate::source::VideoType;

/// Three encodings with three temporal layers each: 180p 60/100/150k, 360p 300/400/500k,
/// 720p 1500/2000/2500k.
fn simulcast() -> Vec<Layer> {
    let rates = [[60, 100, 150], [300, 400, 500], [1500, 2000, 2500]];
    let mut layers = vec![];
    for (encoding, rates) in rates.iter().enumerate() {
        for (temporal, rate) in rates.iter().enumerate() {
            layers.push(Layer {
                index: LayerIndex {
                    encoding: encoding as u8,
                    spatial: 0,
                    temporal: temporal as u8,
                },
                height: 180 << encoding,
                frame_rate: 7.5 * 2_f32.powi(temporal as i32),
                bitrate: rate * 1000,
                peak: rate * 1000,
            });
        }
    }
    layers
}

fn candidate(source: u32, max_height: i32, is_on_stage: bool) -> Candidate {
    Candidate {
        source: SourceIndex(source),
        layers: simulcast(),
        current: None,
        video_type: VideoType::Camera,
        constraints: VideoConstraints::height(max_height),
        is_on_stage,
    }
}

fn targets(candidates: &[Candidate], bandwidth: Option<u64>) -> Vec<Option<(u8, u8)>> {
    let mut allocation = Allocation::default();
    allocate(candidates, bandwidth, &mut allocation);
    allocation
        .sources
        .iter()
        .map(SourceAllocation::target_index)
        .map(|index| index.map(|index| (index.encoding, index.temporal)))
        .collect()
}

#[test]
fn unlimited_bandwidth_gives_the_best_layer_within_the_height() {
    let candidates = [
        candidate(0, -1, true),
        candidate(1, 360, false),
        candidate(2, 180, false),
    ];
    assert_eq!(
        targets(&candidates, None),
        [Some((2, 2)), Some((1, 2)), Some((0, 2))]
    );
}

#[test]
fn who_gets_less_than_its_ideal_is_held_back() {
    let candidates = [candidate(0, 720, true), candidate(1, 180, false)];
    let mut allocation = Allocation::default();
    for (bandwidth, is_held_back) in [(Some(600_000), true), (Some(9_000_000), false)] {
        allocate(&candidates, bandwidth, &mut allocation);
        assert_eq!(allocation.is_held_back, is_held_back, "{bandwidth:?}");
    }
}

#[test]
fn the_stage_reaches_its_preferred_layer_before_thumbnails_get_anything() {
    let candidates = [candidate(0, 720, true), candidate(1, 180, false)];
    assert_eq!(targets(&candidates, Some(450_000)), [Some((0, 2)), None]);
    assert_eq!(
        targets(&candidates, Some(600_000)),
        [Some((1, 2)), Some((0, 1))]
    );
}

#[test]
fn a_tile_view_shares_step_by_step() {
    let candidates = [
        candidate(0, 180, false),
        candidate(1, 180, false),
        candidate(2, 180, false),
    ];
    assert_eq!(
        targets(&candidates, Some(260_000)),
        [Some((0, 1)), Some((0, 1)), Some((0, 0))]
    );
    assert_eq!(
        targets(&candidates, Some(70_000)),
        [Some((0, 0)), None, None]
    );
}

#[test]
fn wanted_sources_without_bandwidth_are_suspended_and_unwanted_ones_are_not() {
    let candidates = [
        candidate(0, 180, false),
        candidate(1, 180, false),
        candidate(2, 0, false),
    ];
    let mut allocation = Allocation::default();
    allocate(&candidates, Some(70_000), &mut allocation);
    let suspended: Vec<bool> = allocation
        .sources
        .iter()
        .map(SourceAllocation::is_suspended)
        .collect();
    assert_eq!(suspended, [false, true, false]);
}

#[test]
fn an_inactive_layer_is_no_choice_unless_all_are_inactive() {
    let mut only = candidate(0, 720, false);
    for layer in &mut only.layers[6..] {
        layer.bitrate = 0;
    }
    assert_eq!(targets(std::slice::from_ref(&only), None), [Some((1, 2))]);
    for layer in &mut only.layers {
        layer.bitrate = 0;
    }
    assert_eq!(targets(&[only], None), [Some((2, 2))]);
}

#[test]
fn only_an_on_stage_desktop_may_exceed_the_estimate() {
    let mut desktop = candidate(0, -1, true);
    desktop.video_type = VideoType::Desktop;
    assert_eq!(
        targets(std::slice::from_ref(&desktop), Some(1_100_000)),
        [Some((2, 0))]
    );
    assert_eq!(
        targets(std::slice::from_ref(&desktop), Some(900_000)),
        [Some((1, 2))]
    );
    desktop.is_on_stage = false;
    assert_eq!(targets(&[desktop], Some(1_100_000)), [Some((1, 2))]);
}

#[test]
fn last_n_counts_wanted_sources_only() {
    let mut candidates = vec![
        candidate(0, 0, false),
        candidate(1, 180, false),
        candidate(2, 180, false),
    ];
    apply_last_n(&mut candidates, &[Some(-1), Some(1), None, Some(50)]);
    let off: Vec<bool> = candidates.iter().map(|c| c.constraints.is_off()).collect();
    assert_eq!(off, [true, false, true]);
}

#[test]
fn before_the_first_message_no_video_is_wanted_and_after_it_180_lines() {
    let mut settings = ReceiverSettings::default();
    assert!(settings.constraints_of("a-v0").is_off());
    settings.update(ReceiverVideoConstraints {
        last_n: Some(5),
        ..ReceiverVideoConstraints::default()
    });
    assert_eq!(settings.constraints_of("a-v0").max_height, 180);
}

#[test]
fn a_partial_update_keeps_what_it_does_not_name() {
    let mut settings = ReceiverSettings::default();
    settings.update(ReceiverVideoConstraints {
        last_n: Some(5),
        default_constraints: Some(ConstraintsMessage {
            max_height: 360,
            max_frame_rate: None,
        }),
        on_stage_sources: Some(vec!["a-v0".into()]),
        ..ReceiverVideoConstraints::default()
    });
    let changed = settings.update(ReceiverVideoConstraints {
        selected_sources: Some(vec!["b-v0".into()]),
        ..ReceiverVideoConstraints::default()
    });
    assert!(changed);
    assert_eq!(settings.last_n, Some(5));
    assert_eq!(settings.constraints_of("x").max_height, 360);
    assert_eq!(
        ["a-v0", "b-v0", "c-v0"].map(|name| settings.rank(name)),
        [0, 1, 2]
    );
}

#[test]
fn audio_exclusion_beats_inclusion_beats_all() {
    let mut subscription = AudioSubscription::default();
    assert!(subscription.wants("a", false));
    assert!(!subscription.wants("a.es", true));
    subscription.update(ReceiverAudioSubscription {
        all: Some(true),
        include: Some(vec!["a.es".into(), "b".into()]),
        exclude: Some(vec!["b".into()]),
        ..ReceiverAudioSubscription::default()
    });
    assert!(subscription.wants("a", false));
    assert!(subscription.wants("a.es", true));
    assert!(!subscription.wants("b", false));
    subscription.update(ReceiverAudioSubscription {
        mode: Some("Include".into()),
        list: Some(vec!["c".into()]),
        ..ReceiverAudioSubscription::default()
    });
    assert!(subscription.wants("c", false));
    assert!(!subscription.wants("a", false));
}

#[test]
fn a_layer_that_dips_is_kept_but_not_taken_up() {
    let mut candidate = candidate(0, 720, false);
    for layer in &mut candidate.layers[6..] {
        layer.bitrate /= 5;
    }
    let room = Some(800_000);
    assert_eq!(targets(&[candidate.clone()], room), [Some((1, 2))]);
    candidate.current = Some(candidate.layers[8].index);
    assert_eq!(targets(&[candidate], room), [Some((2, 2))]);
}

fn any_candidate() -> impl Strategy<Value = Candidate> {
    let heights = prop_oneof![Just(-1), Just(0), Just(90), Just(180), Just(360), Just(720)];
    // Up to which layer there is anything, from none to all.
    (heights, any::<bool>(), any::<bool>(), 0_usize..10).prop_map(
        |(height, is_on_stage, is_desktop, active)| {
            let mut candidate = candidate(0, height, is_on_stage);
            if is_desktop {
                candidate.video_type = VideoType::Desktop;
            }
            for layer in &mut candidate.layers[active..] {
                (layer.bitrate, layer.peak) = (0, 0);
            }
            candidate
        },
    )
}

proptest! {
    #[test]
    fn whatever_is_wanted_the_path_is_kept_and_the_stage_comes_first(
        mut candidates in proptest::collection::vec(any_candidate(), 0..7),
        bandwidth in 0_u64..12_000_000,
        more in 0_u64..5_000_000,
    ) {
        // As they come: what is on stage before the rest.
        candidates.sort_by_key(|candidate| !candidate.is_on_stage);
        for (number, candidate) in candidates.iter_mut().enumerate() {
            candidate.source = SourceIndex(number as u32);
        }
        let mut allocation = Allocation::default();
        allocate(&candidates, Some(bandwidth), &mut allocation);
        let targets = allocation.sources.iter().filter_map(|one| one.target);
        let sum: u64 = targets.map(|layer| layer.bitrate).sum();
        prop_assert_eq!(allocation.target_bitrate, sum);
        if sum > bandwidth {
            prop_assert!(allocation.is_oversending && sum <= bandwidth + MAXIMUM_OVERSENDING);
            let first = candidates.iter().find(|one| !one.constraints.is_off()).unwrap();
            prop_assert!(first.is_on_stage && first.video_type == VideoType::Desktop);
        }
        let mut is_stage_waiting = false;
        for (allocated, candidate) in allocation.sources.iter().zip(&candidates) {
            prop_assert_eq!(allocated.source, candidate.source);
            prop_assert!(allocated.target_index() <= allocated.ideal.map(|layer| layer.index));
            prop_assert_eq!(allocated.ideal.is_none(), candidate.constraints.is_off());
            if let Some(ideal) = allocated.ideal {
                let is_lowest = ideal.height == candidate.layers[0].height;
                prop_assert!(is_lowest || candidate.constraints.admits_height(ideal.height));
            }
            prop_assert!(!is_stage_waiting || allocated.target.is_none());
            is_stage_waiting |= candidate.is_on_stage && allocated.is_suspended();
        }
        // More of the path never shows less of what comes first.
        let mut wider = Allocation::default();
        allocate(&candidates, Some(bandwidth + more), &mut wider);
        let first = |allocation: &Allocation| {
            let mut wanted = allocation.sources.iter().filter(|one| one.ideal.is_some());
            wanted.next().map(SourceAllocation::target_index)
        };
        prop_assert!(first(&allocation) <= first(&wider));
        allocate(&candidates, None, &mut wider);
        for allocated in &wider.sources {
            prop_assert_eq!(allocated.target, allocated.ideal);
        }
    }
}
