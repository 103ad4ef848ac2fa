//! A running conference under fire; `fuzz siege 10000000` is the long form.
#![forbid(unsafe_code)]

use jitctl_fuzz::siege;

#[test]
fn hostile_packets_change_nothing_for_the_others_and_each_is_counted() {
    let report = siege::run(100_000, 1);
    println!("{report}");
    report.verdict().unwrap();
    let counted = |name: &str| {
        let all = report.drops.iter().chain(&report.refused);
        all.filter(|(reason, _)| *reason == name)
            .map(|(_, count)| count)
            .sum::<u64>()
    };
    for reason in [
        "replayed",
        "srtp_authentication",
        "stun_integrity",
        "unknown_address",
        "unknown_fragment",
        "malformed_stun",
        "not_media",
        "dtls_ignored",
        "refused_message",
        "malformed_payload",
        "malformed_rtcp",
        "unknown_ssrc",
    ] {
        assert!(counted(reason) > 0, "{reason}: {report}");
    }
}
