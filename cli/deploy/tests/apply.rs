//! Whole applies with the real scripts, on a host that is a temporary folder.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use futures_util::StreamExt;
use jitctl_deploy::HostOutcome;
use jitctl_deploy::plan::Change;
use jitctl_deploy::releases::roll_back;
use support::{Host, desired, file, holder, resolved, restart, snapshot};

fn assert_applied(report: &jitctl_deploy::ApplyReport) {
    let outcome = &report.hosts[&"m1".into()];
    assert!(
        matches!(outcome, HostOutcome::Applied { .. }),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn the_first_apply_brings_everything_and_the_second_finds_nothing() {
    let host = Host::new();
    let wanted = resolved(desired());
    assert_applied(&host.apply(&wanted).await);
    assert_eq!(
        host.read("/etc/prosody/site.cfg.lua"),
        "secret = \"hunter2\"\n"
    );
    let link = fs::read_link(host.path("/etc/nginx/enabled/site.conf")).unwrap();
    assert_eq!(link.to_str(), Some("../site.conf"));
    assert!(host.calls().contains(&"start prosody.service".to_owned()));

    host.forget_calls();
    let before = fs::metadata(host.path("/etc/nginx/site.conf")).unwrap();
    let (plan, _) = host.plan(&wanted).await;
    assert!(plan.is_empty(), "{plan:#?}");
    let report = host.apply(&wanted).await;
    assert!(matches!(report.hosts[&"m1".into()], HostOutcome::Unchanged));
    let after = fs::metadata(host.path("/etc/nginx/site.conf")).unwrap();
    assert_eq!(before.mtime_nsec(), after.mtime_nsec());
    assert_eq!(host.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn nothing_but_the_concerned_unit_is_restarted() {
    let host = Host::new();
    assert_applied(&host.apply(&resolved(desired())).await);
    host.forget_calls();
    let mut changed = desired();
    changed.files[1].content = "server { listen 80; }\n".to_owned();
    assert_applied(&host.apply(&resolved(changed)).await);
    assert_eq!(host.calls(), ["reload nginx.service"]);
}

#[tokio::test]
async fn an_edit_by_hand_is_shown_and_undone() {
    let host = Host::new();
    let wanted = resolved(desired());
    assert_applied(&host.apply(&wanted).await);
    fs::write(host.path("/etc/nginx/site.conf"), "server { mine; }\n").unwrap();
    let (plan, _) = host.plan(&wanted).await;
    let change = &plan.hosts[0].files[0];
    assert!(change.edited_by_hand);
    assert!(change.diff.contains("-server { mine; }"), "{}", change.diff);
    assert_applied(&host.apply(&wanted).await);
    assert_eq!(host.read("/etc/nginx/site.conf"), "server {}\n");
}

#[tokio::test]
async fn what_is_no_longer_desired_goes() {
    let host = Host::new();
    assert_applied(&host.apply(&resolved(desired())).await);
    let mut smaller = desired();
    smaller.files.remove(1);
    smaller.links.clear();
    smaller.services.remove(1);
    smaller.accounts.clear();
    let smaller = resolved(smaller);
    let (plan, _) = host.plan(&smaller).await;
    assert_eq!(plan.hosts[0].files[0].change, Change::Remove);
    assert_applied(&host.apply(&smaller).await);
    assert!(!host.path("/etc/nginx/site.conf").exists());
    assert!(fs::symlink_metadata(host.path("/etc/nginx/enabled/site.conf")).is_err());
    assert!(host.calls().contains(&"stop nginx.service".to_owned()));
    let accounts = host.path("/var/lib/prosody/auth%2emeet%2etest/accounts");
    assert_eq!(fs::read_dir(accounts).unwrap().count(), 0);
    assert!(host.plan(&smaller).await.0.is_empty());
}

#[tokio::test]
async fn a_red_gate_puts_everything_back_and_shows_the_log() {
    let host = Host::new();
    assert_applied(&host.apply(&resolved(desired())).await);
    let before = snapshot(&host);
    let mut broken = desired();
    broken.files[0].content.push_str("mistake\n");
    broken
        .files
        .push(file("/etc/new.conf", "new\n", restart("prosody.service")));
    fs::write(host.path("broken"), "prosody.service\n").unwrap();
    let report = host.apply(&resolved(broken)).await;
    assert_eq!(report.exit_code(), 7);
    let HostOutcome::Failed { error } = &report.hosts[&"m1".into()] else {
        panic!("{report:?}");
    };
    assert!(
        error
            .to_string()
            .contains("red gate: prosody.service restarts"),
        "{error}"
    );
    assert!(
        error
            .evidence()
            .iter()
            .any(|line| line == "a line of the log")
    );
    assert_eq!(snapshot(&host), before);
    fs::remove_file(host.path("broken")).unwrap();
    assert_applied(&host.apply(&resolved(desired())).await);
}

#[tokio::test]
async fn a_password_that_drifted_is_noticed_and_set_again() {
    let host = Host::new();
    let wanted = resolved(desired());
    assert_applied(&host.apply(&wanted).await);
    let path = "/var/lib/prosody/auth%2emeet%2etest/accounts/jvb.dat";
    let text = host.read(path);
    assert!(!text.contains("correct horse"));
    fs::write(
        host.path(path),
        text.replace("[\"salt\"] = \"", "[\"salt\"] = \"x"),
    )
    .unwrap();
    let (plan, _) = host.plan(&wanted).await;
    assert!(plan.hosts[0].accounts[0].exists);
    assert_applied(&host.apply(&wanted).await);
    assert!(host.plan(&wanted).await.0.is_empty());
}

#[tokio::test]
async fn no_secret_is_in_a_plan() {
    let host = Host::new();
    let wanted = resolved(desired());
    let (first, _) = host.plan(&wanted).await;
    assert_applied(&host.apply(&wanted).await);
    let path = host.path("/etc/prosody/site.cfg.lua");
    fs::write(path, "secret = \"an old secret\"\n").unwrap();
    let (drifted, _) = host.plan(&wanted).await;
    assert_eq!(drifted.hosts[0].files[0].changed_secrets[0].0, "component");
    for plan in [first, drifted] {
        let text = serde_json::to_string(&plan).unwrap();
        assert!(
            !text.contains("hunter2") && !text.contains("an old secret"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn an_apply_killed_at_any_step_is_healed_by_the_next() {
    let reference = Host::new();
    reference.kill_at(usize::MAX);
    assert_applied(&reference.apply(&resolved(desired())).await);
    let steps = reference.mutations();
    assert!(steps > 25, "only {steps} steps are tried");
    let healthy = snapshot(&reference);
    futures_util::stream::iter(1..=steps)
        .for_each_concurrent(4, |step| killed_and_healed(step, &healthy))
        .await;
}

async fn killed_and_healed(step: usize, healthy: &BTreeMap<String, String>) {
    let host = Host::new();
    let wanted = resolved(desired());
    host.kill_at(step);
    let first = host.apply(&wanted).await;
    assert!(host.was_killed(), "step {step} was not reached");
    let healing = host.apply(&wanted).await;
    let outcome = &healing.hosts[&"m1".into()];
    assert!(
        matches!(outcome, HostOutcome::Applied { .. }),
        "killed at step {step}: {outcome:?}; before: {first:?}"
    );
    assert_eq!(snapshot(&host), *healthy, "killed at step {step}");
    let (plan, _) = host.plan(&wanted).await;
    assert!(plan.is_empty(), "killed at step {step}: {plan:#?}");
    for left in ["staging", "lease.json", "journal"] {
        let left = host.path("var/lib/jitctl").join(left);
        assert!(!left.exists(), "killed at step {step}: {}", left.display());
    }
    for unit in ["prosody.service", "nginx.service"] {
        let unit = host.path("units").join(unit);
        assert!(unit.exists(), "killed at step {step}: {}", unit.display());
    }
}

#[tokio::test]
async fn a_restart_that_was_cut_off_is_made_up_for() {
    let wanted = resolved(desired());
    let edited = async || {
        let host = Host::new();
        assert_applied(&host.apply(&wanted).await);
        fs::write(host.path("/etc/prosody/site.cfg.lua"), "mine\n").unwrap();
        host.forget_calls();
        host
    };
    let reference = edited().await;
    reference.kill_at(usize::MAX);
    assert_applied(&reference.apply(&wanted).await);
    let steps = reference.mutations();
    assert!(steps > 10, "only {steps} steps are tried");
    futures_util::stream::iter(1..=steps)
        .for_each_concurrent(4, async |step| {
            let host = edited().await;
            host.kill_at(step);
            let _ = host.apply(&wanted).await;
            assert!(host.was_killed(), "step {step} was not reached");
            let _ = host.apply(&wanted).await;
            let restart = "restart prosody.service".to_owned();
            assert!(host.calls().contains(&restart), "killed at step {step}");
            assert!(
                host.plan(&wanted).await.0.is_empty(),
                "killed at step {step}"
            );
        })
        .await;
}

#[tokio::test]
async fn an_earlier_release_comes_back_and_the_later_one_too() {
    let host = Host::new();
    assert_applied(&host.apply(&resolved(desired())).await);
    let first = snapshot(&host);
    let mut second = desired();
    second.files[1].content = "server { listen 80; }\n".to_owned();
    second
        .files
        .push(file("/etc/later.conf", "later\n", Vec::new()));
    let second = resolved(second);
    assert_applied(&host.apply(&second).await);
    let later = snapshot(&host);
    for (expected, number) in [(&first, 1), (&later, 2)] {
        let facts = host.facts(&second).await;
        let remotes = host.remotes();
        let remote = remotes.values().next().unwrap().as_ref();
        let to = (number == 2).then_some(2);
        let reached = roll_back(remote, &facts, to, &holder(), host.root())
            .await
            .unwrap();
        assert_eq!(reached, number);
        assert_eq!(snapshot(&host), *expected);
        assert_eq!(host.facts(&second).await.manifest.release, number);
    }
    assert!(host.plan(&second).await.0.is_empty());
}
