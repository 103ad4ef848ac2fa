//! People open the site's address in real browsers and meet; then the bridge that carries them is
//! stopped.
//!
//! Three headless Chromiums in the client's network, outside the hosts; TLS against the site's own
//! authority. What each sees and hears is told from decoded frames, from the colour of the picture
//! and from the energy of the sound. Pictures of the pages and what was measured are kept in
//! `target/browsers`.
#![expect(clippy::unwrap_used, reason = "a helper of tests is a test")]

use std::time::Duration;

use jitctl_tests::Lab;
use jitctl_tests::browsers::{Browsers, keep, met, pairs};
use serde_json::{Value, json};

/// Of the media of one pair, from the stop of the bridge on.
const LONGEST_GAP_MS: u64 = 5_000;

/// The person with a client of 2022.
const OLDER: u8 = 3;

#[test]
fn browsers_meet_and_survive_the_loss_of_their_bridge() {
    let lab = Lab::deployed("browsers", 3);
    let mut browsers = Browsers::open(&lab, "room");
    let report = browsers.join(3);
    keep("joined", &report);
    for person in report["people"].as_array().unwrap() {
        assert_eq!(person["errors"], json!([]), "{report:#}");
        assert_eq!(person["said"], json!([]), "{report:#}");
    }
    let names: Vec<String> = browsers.texts(0, "li.tile .name");
    assert_eq!(names, ["Person 1", "Person 2", "Person 0 (you)"]);
    browsers.picture(0, "meeting");

    they_talk(&mut browsers);
    they_switch_devices(&mut browsers);
    one_speaks(&mut browsers);
    one_comes_with_an_older_client(&mut browsers);
    one_shares_a_screen(&mut browsers);
    a_moderator_mutes(&mut browsers);
    one_waits_at_the_door_and_is_removed_again(&mut browsers);
    the_bridge_is_lost(&lab, &mut browsers);
}

fn they_talk(browsers: &mut Browsers) {
    browsers.ask(&json!({"do": "say", "who": 1, "text": "hello, all"}));
    browsers.until("everyone has the message", SOON, |browsers| {
        (0..3).all(|who| browsers.texts(who, ".log li p") == ["hello, all"])
    });
}

fn they_switch_devices(browsers: &mut Browsers) {
    let off = "Person 1, muted, camera off";
    browsers.press(1, "microphone");
    browsers.press(1, "camera");
    browsers.until("person 1 is off for the others", SOON, |browsers| {
        [0, 2]
            .iter()
            .all(|who| browsers.tiles(*who).iter().any(|tile| tile == off))
    });
    browsers.press(1, "microphone");
    browsers.press(1, "camera");
    // A hand goes up by keyboard.
    browsers.ask(&json!({"do": "key", "who": 1, "key": "r"}));
    let on = "Person 1, hand raised";
    browsers.until("person 1 is on again, with a hand up", SOON, |browsers| {
        [0, 2]
            .iter()
            .all(|who| browsers.tiles(*who).iter().any(|tile| tile == on))
            && met(&browsers.look())
    });
}

/// The bridge tells everyone who speaks.
fn one_speaks(browsers: &mut Browsers) {
    for speaker in [2, 0] {
        for who in 0..3 {
            let loud = if who == speaker { 0.8 } else { 0.0 };
            browsers.ask(&json!({"do": "loud", "who": who, "loud": loud}));
        }
        let what = format!("everyone sees that person {speaker} speaks");
        browsers.until(&what, LATER, |browsers| {
            let report = browsers.look();
            let people = report["people"].as_array().unwrap();
            people.iter().all(|one| one["speaking"] == json!([speaker]))
        });
    }
    for who in 0..3 {
        browsers.ask(&json!({"do": "loud", "who": who, "loud": 0.5}));
    }
}

/// People of a meeting do not all have the same client.
fn one_comes_with_an_older_client(browsers: &mut Browsers) {
    browsers.enter_with_older_client();
    browsers.until(
        "the older client sees and hears all, and all see and hear it",
        LATER,
        |browsers| met(&browsers.look()),
    );
    browsers.picture(OLDER, "older-client");
}

/// Current clients get it beside the camera, the older one in its place.
fn one_shares_a_screen(browsers: &mut Browsers) {
    browsers.press(2, "screen");
    browsers.until("all see the screen as large as it is", LATER, |browsers| {
        let report = browsers.look();
        let mut of_two = pairs(&report).iter().filter(|pair| pair["of"] == 2);
        of_two.all(|pair| {
            let (camera, screen) = (&pair["camera"], &pair["screen"]);
            if pair["by"] == OLDER {
                let shown = if screen.is_null() { camera } else { screen };
                is_screen(shown) && (camera.is_null() || screen.is_null())
            } else {
                is_camera(camera) && is_screen(screen)
            }
        })
    });
    browsers.picture(0, "screen");
    browsers.picture(OLDER, "older-client-with-screen");
    browsers.ask(&json!({
        "do": "picture", "who": 1, "name": "phone", "width": 390, "height": 844, "dark": true,
    }));
    browsers.press(2, "screen");
    // The older library cannot take the same camera back (its description has `a=msid` twice, which
    // current Chromiums refuse): its page comes into the room anew.
    browsers.until(
        "the screen is gone, and all see the camera",
        LATER,
        |browsers| {
            let report = browsers.look();
            let no_screen = |pair: &Value| pair["screen"].is_null() && is_camera(&pair["camera"]);
            met(&report) && pairs(&report).iter().all(no_screen)
        },
    );
    browsers.ask(&json!({"do": "forget"}));
    browsers.until("the older client is gone", SOON, |browsers| {
        browsers.tiles(0).len() == 3
    });
}

/// A decoded picture of the right person, as large as screens are here.
fn is_screen(picture: &Value) -> bool {
    picture["right"] == true && picture["height"] == 720
}

/// A decoded picture of the right person, smaller than screens are here.
fn is_camera(picture: &Value) -> bool {
    picture["right"] == true
        && picture["height"]
            .as_u64()
            .is_some_and(|height| height < 720)
}

/// Whoever came first is moderator.
fn a_moderator_mutes(browsers: &mut Browsers) {
    browsers.ask(&json!({"do": "moderate", "who": 0, "label": "Mute Person 2"}));
    browsers.until(
        "person 2 is told, and muted for everyone",
        SOON,
        |browsers| {
            let told = browsers.texts(2, ".notices p").join(" ");
            let seen = browsers.tiles(1).join(" ");
            told.contains("Person 0 switched off your microphone")
                && seen.contains("Person 2, muted")
        },
    );
    browsers.press(2, "microphone");
    browsers.until("person 2 is heard again", SOON, |browsers| {
        met(&browsers.look()) && !browsers.tiles(1).join(" ").contains("muted")
    });
}

/// The list of people is open on the moderator's page since the muting.
fn one_waits_at_the_door_and_is_removed_again(browsers: &mut Browsers) {
    browsers.tap(0, ".doorway input");
    // The server's word, not the click.
    browsers.until("the door is closed", SOON, |browsers| {
        browsers.texts(0, ".doorway[data-closed]").len() == 1
    });
    browsers.enter();
    browsers.until("the moderator sees who waits", SOON, |browsers| {
        browsers.texts(0, ".waiting .name") == ["Person 3"]
    });
    browsers.until("person 3 is told what for", SOON, |browsers| {
        browsers.texts(3, ".gate h1") == ["This meeting has a waiting room"]
    });
    browsers.tap(0, ".waiting button.primary");
    browsers.until("person 3 is in, sees and is seen", LATER, |browsers| {
        met(&browsers.look())
    });
    browsers.ask(&json!({
        "do": "moderate", "who": 0, "label": "Remove Person 3 from the meeting",
    }));
    browsers.tap(0, "dialog .danger");
    browsers.until("person 3 is told", SOON, |browsers| {
        browsers.texts(3, ".gate h1") == ["You were removed from the meeting"]
    });
    browsers.ask(&json!({"do": "forget"}));
    browsers.tap(0, ".doorway input");
    browsers.until("the door is open", SOON, |browsers| {
        browsers.texts(0, ".doorway[data-closed]").is_empty()
    });
}

fn the_bridge_is_lost(lab: &Lab, browsers: &mut Browsers) {
    let debug = lab.on("h1", "curl -fsS http://127.0.0.1:8888/debug");
    let debug: Value = serde_json::from_str(&debug).unwrap();
    let used = debug["conferences"][0]["bridges"].as_object().unwrap();
    let nickname = used.keys().next().unwrap().clone();
    // `jitctl init` puts the host's name in front.
    let (host, _) = nickname.split_once('-').unwrap();
    let stopped = browsers.ask(&json!({"do": "now"}));
    lab.on(host, "systemctl stop jitctl-bridge");
    std::thread::sleep(Duration::from_secs(8));
    let gaps = browsers.ask(&json!({"do": "gaps", "since": stopped["now"]}));
    keep("gaps", &gaps);
    let report = browsers.look();
    assert!(met(&report), "{report:#}");
    for pair in pairs(&gaps) {
        for kind in ["picture_ms", "sound_ms"] {
            let gap = pair[kind].as_u64().unwrap();
            assert!(gap <= LONGEST_GAP_MS, "{kind}: {gaps:#}");
        }
    }
    browsers.picture(1, "after-the-loss");
}

/// For what needs a round trip or two, on a busy machine.
const SOON: Duration = Duration::from_secs(20);
/// For what needs new media, on a busy machine.
const LATER: Duration = Duration::from_secs(45);
