#!/usr/bin/env python3
"""`jitctl plan --offline` for sites of growing size: seconds, and whether they grow linearly.

    tests/bench/plan_many.py                  (`cargo xtask compare` builds first and runs it too)
"""

import pathlib
import statistics
import subprocess
import tempfile
import time

JITCTL = pathlib.Path(__file__).resolve().parents[2] / "dist/jitctl"


def inventory(hosts):
    lines = ["version: 1", "site: { domain: meet.example.org }", "hosts:"]
    lines.append("  m1: { roles: [main], address: { public: [198.51.100.1] } }")
    for number in range(1, hosts):
        address = f"203.{number // 65536}.{number // 256 % 256}.{number % 256}"
        lines.append(f"  b{number}: {{ roles: [bridge], address: {{ public: [{address}] }} }}")
    return "\n".join(lines) + "\n"


def main():
    print(f"{'hosts':>6}{'seconds':>10}{'ms per host':>14}")
    for hosts in (10, 100, 250, 500, 1000):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "jitctl.yaml"
            path.write_text(inventory(hosts))
            subprocess.run([JITCTL, "--file", path, "secrets", "init"], check=True, capture_output=True)
            command = [JITCTL, "--file", path, "plan", "--offline", "--summary"]
            seconds = []
            for _ in range(5):
                start = time.monotonic()
                done = subprocess.run(command, capture_output=True, check=False)
                seconds.append(time.monotonic() - start)
                assert done.returncode == 2, done.stderr.decode()
        median = statistics.median(seconds)
        print(f"{hosts:6}{median:10.3f}{median / hosts * 1000:14.2f}")


if __name__ == "__main__":
    main()
