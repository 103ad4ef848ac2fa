#!/usr/bin/env python3
"""Join to first decoded frame in the lab, in real browsers: p50 and p95.

    cargo xtask demo && (cd tests/browser && npm ci --ignore-scripts)
    tests/bench/first_frame.py [--meetings 10] [--people 3] [--lab NAME --site INVENTORY]

Each meeting is a room of its own on the demonstration site, opened by that many people in headless
Chromiums one after the other. Counted is what a newcomer waits: from the press of "Join" until the
first frame of each person who is there already is decoded, and until their first sound comes.
"""

import argparse
import json
import math
import pathlib
import subprocess
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
JITCTL = TOP / "dist/jitctl"
SITE = TOP / "dist/demo/jitctl.yaml"


def meeting(room, options, authority):
    """One meeting: the report of `meet.mjs`."""
    driver = ["node", TOP / "tests/browser/meet.mjs", "--url", f"https://meet.test/{room}"]
    driver += ["--authority", authority, "--people", str(options.people), "--seconds", "0"]
    driver += ["--pictures", authority.parent]
    lab = ["--name", options.lab] if options.lab else []
    command = [JITCTL, "lab", "exec", *lab, "client", "--", *driver]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, f"{room}: {done.stdout.decode()}{done.stderr.decode()}"
    return json.loads(done.stdout)


def waits(report, kind):
    """What newcomers waited for those who were there before them, in milliseconds."""
    return [pair[kind] for pair in report["pairs"] if pair["of"] < pair["by"]]


def percentile(values, percent):
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--meetings", type=int, default=10)
    parser.add_argument("--people", type=int, default=3)
    parser.add_argument("--lab")
    parser.add_argument("--site", default=SITE)
    options = parser.parse_args()
    frames, sounds = [], []
    with tempfile.TemporaryDirectory() as folder:
        authority = pathlib.Path(folder) / "ca.crt"
        shown = [JITCTL, "-f", options.site, "secrets", "show", "pki-ca-cert"]
        authority.write_bytes(subprocess.run(shown, check=True, capture_output=True).stdout)
        for number in range(options.meetings):
            report = meeting(f"first-frame-{number}", options, authority)
            frames += waits(report, "first_frame_ms")
            sounds += waits(report, "first_sound_ms")
    print(f"{'':14}{'pairs':>7}{'p50 ms':>9}{'p95 ms':>9}{'max ms':>9}")
    for name, values in (("first frame", frames), ("first sound", sounds)):
        numbers = (len(values), percentile(values, 50), percentile(values, 95), max(values))
        print(f"{name:14}{numbers[0]:7}{numbers[1]:9}{numbers[2]:9}{numbers[3]:9}")


if __name__ == "__main__":
    main()
