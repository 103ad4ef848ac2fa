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
        "not_media",
        "unknown_address",
        "unknown_fragment",
        "malformed_stun",
        "stun_integrity",
        "unexpected_stun_answer",
        "dtls_ignored",
        "malformed_rtp",
        "malformed_srtp",
        "srtp_authentication",
        "replayed",
        "srtcp_not_encrypted",
        "too_many_ssrcs",
        "unexpected_message",
        "refused_message",
        "malformed_payload",
        "malformed_rtcp",
        "unknown_ssrc",
        "unknown_payload_type",
        "duplicate",
    ] {
        assert!(counted(reason) > 0, "{reason}: {report}");
    }
}
