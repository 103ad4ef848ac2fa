#!/usr/bin/env python3
"""Our bridge beside LiveKit v1.8.0 and Janus 1.1.2: one generator, one run, one table.

Every round takes every server once under every workload, each freshly started; the table shows
medians. Servers run on processor 0, the generator on processor 1, in a network namespace of their
own, at an address that is not loopback's, which Janus refuses. `cargo xtask compare-bridges`
installs what is missing from Debian, builds, and calls this; LiveKit comes by `go install` into
~/.cache/jitctl-bench, with a Go of the same module proxy.

    cargo build --release -p jitctl-bridge -p jitctl-bench
    sudo tests/bench/peers.py [--rounds 3] [--seconds 10] [--workloads one-to-20,mesh-10]
                              [--servers jitctl,livekit,janus]

With `--heap` our bridge runs beneath heaptrack (Debian's package), built with names, and a table says what holds
how much of its memory under load, and what allocates how often:

    sudo apt-get install heaptrack
    cargo build --profile profiling -p jitctl-bridge
    sudo tests/bench/peers.py --heap --servers jitctl --workloads rooms-10x10 --rounds 1

Workloads: one-to-N, mesh-N, rooms-RxN, meeting-N-last-L (three sizes, the smallest is watched) and
join-N (all connect at the same moment); one-to-100@4000 sends 4 Mbit/s instead of 1.5.
A row that failed says why; all measured values go to standard error as they come.
"""

import argparse
import collections
import datetime
import functools
import hashlib
import io
import json
import math
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import zipfile

TOP = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", TOP / "target"))
PROGRAMS = TARGET / "release"
HEAPTRACK = pathlib.Path("/usr/lib/heaptrack")
CACHE = pathlib.Path.home() / ".cache/jitctl-bench"
LIVEKIT = "github.com/livekit/livekit-server/cmd/server@v1.8.0"
TOOLCHAIN = "toolchain@v0.0.1-go1.24.4.linux-amd64"
TOOLCHAIN_SHA256 = "a44b3b07ab40a14e785eb421dc6b09cf6a136eb46c9c8a334f8b752184875866"
NAMESPACE = "jitctl-bench"
HOST = "10.99.0.1"
SECRET = "bench:a secret of the bench that is long enough"
WORKLOADS = ("one-to-20,one-to-50,one-to-100,one-to-200,one-to-100@4000,one-to-100@8000,mesh-10,"
             "rooms-10x10,rooms-10x10@150,meeting-100-last-20,join-1,join-100")
# Longest life of a server, whatever happens.
PATIENCE = 180


def run(*command, **options):
    return subprocess.run([str(part) for part in command], check=True, **options)


def inside(processor, *command):
    return ["ip", "netns", "exec", NAMESPACE, "taskset", "-c", str(processor), *map(str, command)]


def toolchain():
    """Go at the pinned version, as its module proxy has it: Debian's is too old for LiveKit."""
    folder = CACHE / f"golang.org/{TOOLCHAIN}"
    if not folder.exists():
        proxy = os.environ.get("GOPROXY", "https://proxy.golang.org").split(",")[0]
        name = TOOLCHAIN.removeprefix("toolchain@")
        with urllib.request.urlopen(f"{proxy}/golang.org/toolchain/@v/{name}.zip") as answer:
            archive = answer.read()
        if hashlib.sha256(archive).hexdigest() != TOOLCHAIN_SHA256:
            sys.exit(f"{TOOLCHAIN} is not what it was")
        with tempfile.TemporaryDirectory(dir=CACHE) as fresh:
            zipfile.ZipFile(io.BytesIO(archive)).extractall(fresh)
            unpacked = pathlib.Path(fresh) / f"golang.org/{TOOLCHAIN}"
            for program in (*unpacked.glob("bin/*"), *unpacked.glob("pkg/tool/*/*")):
                program.chmod(0o755)
            folder.parent.mkdir(exist_ok=True)
            unpacked.rename(folder)
    return folder / "bin/go"


def install():
    """LiveKit, built from its module at that version."""
    if (CACHE / "server").exists():
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    run(toolchain(), "install", LIVEKIT, env={**os.environ, "GOBIN": str(CACHE), "GOTOOLCHAIN": "local"})


def name_space():
    subprocess.run(["ip", "netns", "del", NAMESPACE], stderr=subprocess.DEVNULL)
    run("ip", "netns", "add", NAMESPACE)
    for command in (
        "link set lo up",
        "link add bench0 type veth peer name bench1",
        f"addr add {HOST}/24 dev bench0",
        "link set bench0 up",
        "link set bench1 up",
    ):
        run("ip", "-n", NAMESPACE, *command.split())


def jitctl(folder, coalesce=0, segmentation=True):
    """A bridge whose focus is never there: conferences come over HTTP."""
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-subj", "/CN=bench", "-days", "1", "-keyout", folder / "key.pem", "-out",
        folder / "ca.pem", stderr=subprocess.DEVNULL)
    password = folder / "password"
    password.touch(mode=0o600)
    password.write_text("unused")
    config = folder / "bridge.toml"
    config.write_text(f"""
[identity]
nickname = "bench"
[[xmpp]]
address = "{HOST}:9"
domain = "auth.bench"
username = "jvb"
password_file = "{password}"
brewery = "jvbbrewery@internal.auth.bench"
ca_file = "{folder}/ca.pem"
[http]
private = "{HOST}:8080"
conferences = true
[media]
port = 10000
workers = 1
coalesce_microseconds = {coalesce}
segmentation = {str(segmentation).lower()}
[log]
level = "warn"
""")
    return [PROGRAMS / "jitctl-bridge", "--config", config], f"{HOST}:8080"


def livekit(folder, batches=""):
    config = folder / "livekit.yaml"
    key, secret = SECRET.split(":", 1)
    config.write_text(f"""
port: 7880
bind_addresses: ["{HOST}"]
rtc:
  udp_port: 7882
  tcp_port: 0
  use_external_ip: false
  node_ip: {HOST}
  strict_acks: false
  interfaces:
    includes: [bench0]
{batches}
keys:
  {key}: "{secret}"
logging:
  level: error
""")
    return [CACHE / "server", "--config", config], f"{HOST}:7880"


def janus(folder):
    (folder / "janus.jcfg").write_text("""
general: {
  debug_level = 2
  event_loops = 1
}
nat: { ice_enforce_list = "bench0" }
media: { rtp_port_range = "10000-32000" }
plugins: {
  disable = "libjanus_audiobridge.so,libjanus_duktape.so,libjanus_echotest.so,libjanus_lua.so,libjanus_nosip.so,libjanus_recordplay.so,libjanus_sip.so,libjanus_streaming.so,libjanus_textroom.so,libjanus_videocall.so,libjanus_voicemail.so"
}
transports: {
  disable = "libjanus_http.so,libjanus_pfunix.so,libjanus_mqtt.so,libjanus_nanomsg.so,libjanus_rabbitmq.so"
}
""")
    (folder / "janus.transport.websockets.jcfg").write_text(
        f'general: {{ ws = true\n ws_port = 8188\n ws_ip = "{HOST}" }}\n')
    (folder / "janus.plugin.videoroom.jcfg").write_text("general: { }\n")
    return ["janus", "-F", folder, "-o"], f"{HOST}:8188"


SERVERS = {
    "jitctl": jitctl,
    # Packets of one receiver wait up to 2 ms for each other.
    "jitctl-2ms": functools.partial(jitctl, coalesce=2000),
    # As where the kernel cannot segment.
    "jitctl-single": functools.partial(jitctl, segmentation=False),
    "livekit": livekit,
    # The same with what its sample configuration offers for less processor time.
    "livekit-2ms": functools.partial(
        livekit, batches="  batch_io:\n    batch_size: 128\n    max_flush_interval: 2ms"),
    "janus": janus,
}


def wait_for(address, process):
    host, port = address.split(":")
    probe = f"import socket; socket.create_connection(('{host}', {port}), 1)"
    for _ in range(100):
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        tried = subprocess.run(inside(1, sys.executable, "-c", probe), stderr=subprocess.DEVNULL)
        if tried.returncode == 0:
            return
        time.sleep(0.1)
    raise RuntimeError("the server does not listen")


def traced(command, raw):
    """Our bridge with names, and every allocation noted in `raw`."""
    program, *arguments = command
    return ["env", f"LD_PRELOAD={HEAPTRACK}/libheaptrack_preload.so", f"DUMP_HEAPTRACK_OUTPUT={raw}",
            TARGET / "profiling" / program.name, *arguments]


# What memory is for, by what is on the stack where it was taken; the first that matches.
STRUCTURES = [
    ("packet stores", r"\(store\.rs\)"),
    ("how packets were rewritten", r"\(sent\.rs\)"),
    ("packets awaiting feedback", r"\(history\.rs\)|packet_sent\b|transport_feedback\b"),
    ("ICE, DTLS, SRTP, SCTP", r"protect_rt|handle_dtls|advance_dtls|\(data_channel\.rs\)|handle_stun\b"),
    ("packets on their way out", r"\(outbox\.rs\)"),
    ("batches of packets", r"\(batch\.rs\)"),
    ("streams to receivers", r"add_video_stream\b"),
    ("allocations of bandwidth", r"run_allocation\b"),
    ("transports", r"add_endpoint\b"),
    ("endpoints and sources", r"create_endpoint\b|add_source\b|set_sources\b"),
    ("signalling", r"jitctl_bridge::rest|jitctl_wire|\(registry\.rs\)"),
]


def structure(stack):
    kinds = (name for name, pattern in STRUCTURES if re.search(pattern, stack))
    return next(kinds, "everything else")


def print_heap(raw, workload):
    """What was still held when the server was ended, in the midst of its work."""
    with open(raw, "rb") as noted, open(f"{raw}.read", "wb") as read:
        run(HEAPTRACK / "libexec/heaptrack_interpret", stdin=noted, stdout=read)
    rooms = re.findall(r"\d+", workload.split("-last")[0].split("@")[0])
    people = math.prod(map(int, rooms))
    costs = {"leaked": 1024 * people, "allocations": 1}
    held = {kind: collections.Counter() for kind in costs}
    for kind, divisor in costs.items():
        stacks = f"{raw}.{kind}"
        run("heaptrack_print", "-f", f"{raw}.read", "--flamegraph-cost-type", kind, "-F", stacks,
            *"-p 0 -a 0 -T 0".split(), stdout=subprocess.DEVNULL)
        for line in pathlib.Path(stacks).read_text().splitlines():
            stack, _, cost = line.rpartition(" ")
            held[kind][structure(stack)] += int(cost) / divisor
    print(f"| {workload} | KiB a participant | allocations |\n|--|--|--|")
    for name, cost in held["leaked"].most_common():
        print(f"| {name} | {cost:,.1f} | {held['allocations'][name]:,.0f} |")
    print(f"| together | {held['leaked'].total():,.1f} | {held['allocations'].total():,.0f} |\n")


def measure(server, workload, options):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        command, address = SERVERS[server](folder)
        if options.heap:
            command = traced(command, folder / "heap")
        with open(folder / "log", "wb") as log:
            # `ip netns exec` and `taskset` replace themselves: this is the server's own process.
            process = subprocess.Popen(inside(0, *command), stdout=log, stderr=log)
        try:
            wait_for(address, process)
            time.sleep(1)
            done = subprocess.run(
                inside(1, PROGRAMS / "bench-peers", "--server", server.split("-")[0], "--address",
                       address, "--pid", process.pid, "--workload", workload, "--seconds",
                       options.seconds, "--secret", SECRET),
                capture_output=True, text=True, timeout=PATIENCE)
            if done.returncode != 0:
                said = done.stderr.strip() or f"the generator ended with {done.returncode}"
                raise RuntimeError(said.splitlines()[-1])
            if options.heap:
                process.kill()
                process.wait()
                print_heap(folder / "heap", workload)
            return json.loads(done.stdout)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            tail = (folder / "log").read_text(errors="replace")[-300:]
            return {"error": str(error), "log": tail}
        finally:
            process.kill()
            process.wait()


# Title, key, digits after the point.
COLUMNS = [
    ("us/packet", "cpu_micros_per_packet", 2),
    ("packets/s", "packets_per_second", 0),
    ("missing, %", "missing_percent", 1),
    ("CPU, %", "cpu_percent", 0),
    ("in the kernel, %", "kernel_percent", 0),
    ("p50, ms", "latency_p50_millis", 2),
    ("p99, ms", "latency_p99_millis", 2),
    ("KiB/participant", "kib_per_participant", 0),
    ("first packet, ms", "first_packet_millis", 0),
    ("ICE + DTLS p50, ms", "connect_p50_millis", 1),
    ("p99, ms", "connect_p99_millis", 1),
    ("last of all, ms", "all_connected_millis", 1),
    ("us/join", "cpu_micros_per_join", 0),
]


def cell(rows, key, digits):
    values = [row[key] for row in rows if key in row]
    return f"{statistics.median(values):,.{digits}f}" if values else ""


def table(results, workloads, servers):
    print("| Workload | Server | " + " | ".join(title for title, _, _ in COLUMNS) + " |")
    print("|--" * (2 + len(COLUMNS)) + "|")
    for workload in workloads:
        for server in servers:
            taken = results[workload, server]
            rows = [row for row in taken if "error" not in row]
            cells = [cell(rows, key, digits) for _, key, digits in COLUMNS]
            if taken and not rows:
                cells[0] = taken[-1]["error"]
            print(f"| {workload} | {server} | " + " | ".join(cells) + " |", flush=True)


def load():
    return " ".join(f"{value:.1f}" for value in os.getloadavg())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--workloads", default=WORKLOADS)
    parser.add_argument("--servers", default=",".join(SERVERS))
    parser.add_argument("--heap", action="store_true", help="who holds the memory of our bridge")
    options = parser.parse_args()
    workloads, servers = options.workloads.split(","), options.servers.split(",")
    if any(server.startswith("livekit") for server in servers):
        install()
    results = {(workload, server): [] for workload in workloads for server in servers}
    began, before = datetime.datetime.now(), load()
    name_space()
    try:
        for turn in range(options.rounds):
            for workload in workloads:
                for server in servers:
                    row = measure(server, workload, options)
                    print(f"round {turn + 1}, {workload}, {server}: {row}", file=sys.stderr)
                    results[workload, server].append(row)
    except KeyboardInterrupt:
        print("stopped: the table has what was measured so far", file=sys.stderr)
    finally:
        run("ip", "netns", "del", NAMESPACE)
    print(f"{began:%Y-%m-%d %H:%M}, {os.cpu_count()} processors, Linux {platform.release()}, "
          f"{options.rounds} rounds of {options.seconds} s, load {before} before, {load()} after\n")
    table(results, workloads, servers)


if __name__ == "__main__":
    main()
