//! When people are told of changes of others' sources: at once or gathered, each change once.

use std::collections::BTreeMap;
use std::time::Duration;

use jitctl_conference::Settings;
use jitctl_wire::jingle::{Action, Jingle};

use crate::support::{MODERN, Room, microphone};

/// Changes are gathered for so long in rooms of two and more.
pub(crate) const DELAY: Duration = Duration::from_millis(500);

pub(crate) fn gathering() -> Settings {
    Settings {
        source_delays: vec![(2, DELAY)],
        ..Settings::default()
    }
}

/// SSRC → owner, as a client reads it in either form. The bridge's own are left out.
pub(crate) fn ssrcs(jingle: &Jingle) -> BTreeMap<u32, String> {
    let mut found = BTreeMap::new();
    for (owner, owned) in jingle.sources.iter().flat_map(|map| &map.0) {
        let sources = owned.audio.iter().chain(&owned.video);
        found.extend(sources.map(|source| (source.ssrc, owner.clone())));
    }
    let descriptions = jingle
        .contents
        .iter()
        .filter_map(|content| content.description.as_ref());
    for source in descriptions.flat_map(|description| &description.sources) {
        found.insert(source.ssrc, source.owner.clone().unwrap());
    }
    found.retain(|_, owner| owner != "jvb");
    found
}

/// To whom, what, which SSRCs.
type Told = (String, Action, Vec<u32>);

pub(crate) fn tells(to: &str, action: Action, ssrcs: &[u32]) -> Told {
    (to.to_owned(), action, ssrcs.to_vec())
}

/// What people were told since the last time.
pub(crate) fn told(room: &mut Room) -> Vec<Told> {
    let requests = room.requests.drain(..);
    requests
        .filter_map(|(_, iq)| {
            let jingle = Jingle::parse(iq.payload.as_ref()?).ok()?;
            let to = iq.to?.resource()?.to_owned();
            Some((to, jingle.action, ssrcs(&jingle).into_keys().collect()))
        })
        .collect()
}

#[test]
fn changes_are_gathered_from_the_first_on_and_told_together() {
    let (mut room, sid_a, sid_b) = Room::call_of_two(gathering());
    room.join("cc", MODERN);
    let (_, offer) = room.invite_next();
    room.accept("cc", &offer.sid, 300);
    room.advance(DELAY);
    room.requests.clear();
    room.client("aa", microphone("source-remove", &sid_a, 100));
    room.advance(DELAY * 3 / 5);
    room.client("bb", microphone("source-add", &sid_b, 250));
    room.client("aa", microphone("source-add", &sid_a, 150));
    assert_eq!(told(&mut room), []);
    // Later changes do not put off the first.
    room.advance(DELAY * 2 / 5);
    assert_eq!(
        told(&mut room),
        [
            tells("bb", Action::SourceRemove, &[100]),
            tells("bb", Action::SourceAdd, &[150]),
            tells("cc", Action::SourceRemove, &[100]),
            tells("cc", Action::SourceAdd, &[150, 250]),
        ]
    );
    // What concerns this client came later.
    room.advance(DELAY * 3 / 5);
    assert_eq!(told(&mut room), [tells("aa", Action::SourceAdd, &[250])]);
    assert_eq!(room.conference.poll_timeout(), None);
}

#[test]
fn what_is_taken_back_while_it_is_gathered_is_not_told() {
    let (mut room, sid_a, _) = Room::call_of_two(gathering());
    room.advance(DELAY);
    room.requests.clear();
    room.client("aa", microphone("source-add", &sid_a, 150));
    assert!(room.conference.poll_timeout().is_some());
    room.client("aa", microphone("source-remove", &sid_a, 150));
    assert_eq!(room.conference.poll_timeout(), None);
    room.advance(DELAY * 2);
    assert_eq!(told(&mut room), []);
}

#[test]
fn what_changes_between_offer_and_accept_is_told_after_the_accept() {
    let (mut room, sid_a, _) = Room::call_of_two(Settings::default());
    room.join("cc", MODERN);
    let (_, offer) = room.invite_next();
    room.requests.clear();
    room.client("aa", microphone("source-add", &sid_a, 150));
    room.leave("bb");
    let to_c = |room: &mut Room| {
        let mut told = told(room);
        told.retain(|(to, ..)| to == "cc");
        told
    };
    assert_eq!(to_c(&mut room), []);
    room.accept("cc", &offer.sid, 300);
    let gone = tells("cc", Action::SourceRemove, &[200, 201, 202]);
    let came = tells("cc", Action::SourceAdd, &[150]);
    assert_eq!(to_c(&mut room), [gone, came]);
}
