#!/usr/bin/env python3
"""No-op and changed-file applies on three lab hosts: jitctl beside ansible-core and pyinfra.

All three manage the same files with the same bytes, modes and owners, the same packages and the
same services; accounts are files of Prosody. Ansible runs with pipelining, ControlPersist and as
many forks as hosts. The floor is one fresh ssh session and one script that hashes the same files.

    cargo xtask compare [--runs 5]     sets up, builds, and runs this as root

Prints a table of medians in seconds. Needs PyPI once, for a virtual environment in dist/bench.
"""

import argparse
import json
import pathlib
import shlex
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

TOP = pathlib.Path(__file__).resolve().parents[2]
JITCTL = TOP / "dist/jitctl"
FOLDER = TOP / "dist/bench"
VENV = FOLDER / "venv"
LAB = "bench"
HOSTS = ["h1", "h2", "h3"]
# Changed by every tool in the changed-file runs; concerns one host and one reload.
CHANGED = ("h1", "/etc/jitctl/web/config.js")


def run(*command, **options):
    return subprocess.run([str(part) for part in command], check=True, **options)


def quiet(*command, **options):
    return run(*command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options)


def timed(action):
    start = time.monotonic()
    action()
    return time.monotonic() - start


def jitctl(*arguments, **options):
    return quiet(JITCTL, "--file", FOLDER / "jitctl.yaml", *arguments, **options)


def ssh_config():
    status = subprocess.check_output([JITCTL, "lab", "status", "--name", LAB, "--json"])
    return json.loads(status)["ssh_config"]


def set_up():
    FOLDER.mkdir(parents=True, exist_ok=True)
    if not (VENV / "bin/pyinfra").exists():
        run(sys.executable, "-m", "venv", VENV)
        run(VENV / "bin/pip", "install", "--quiet", "ansible-core", "pyinfra")
    quiet(JITCTL, "lab", "down", "--name", LAB)
    for old in FOLDER.glob("jitctl.*"):
        old.unlink()
    run(JITCTL, "lab", "up", "--name", LAB, "--hosts", len(HOSTS))
    jitctl("init", "--lab", LAB, "--domain", "meet.test")
    run(JITCTL, "--file", FOLDER / "jitctl.yaml", "apply", "--yes")
    # What Ansible's modules need on each host and jitctl does not; not measured.
    python = "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3 python3-apt"
    jitctl("exec", "--timeout", 300, "--", python)


def managed(config):
    """What jitctl manages on each host, read back from the hosts themselves."""
    state = {}
    for host in HOSTS:
        manifest = json.loads(
            subprocess.check_output(["ssh", "-F", config, host, "cat /etc/jitctl/manifest.json"])
        )
        folder = FOLDER / "files" / host
        folder.mkdir(parents=True, exist_ok=True)
        paths = [entry["path"] for entry in manifest["files"]]
        archive = subprocess.check_output(["ssh", "-F", config, host, shlex.join(["tar", "cP", *paths])])
        run("tar", "x", "-C", folder, "--strip-components=0", input=archive, stderr=subprocess.DEVNULL)
        state[host] = manifest
    return state


def local(host, path):
    return FOLDER / "files" / host / path.lstrip("/")


def packages(host):
    rendered = {"h1": ["prosody", "nginx"]}
    return rendered.get(host, []) + ["nftables"]


def write_ansible(state, config):
    plays = []
    for host, manifest in state.items():
        copies = [
            {
                "name": entry["path"],
                "ansible.builtin.copy": {
                    "src": str(local(host, entry["path"])),
                    "dest": entry["path"],
                    "mode": f"0{entry['mode']:o}",
                    "owner": entry["owner"],
                    "group": entry["group"],
                },
            }
            for entry in manifest["files"]
        ]
        services = [
            {
                "name": unit,
                "ansible.builtin.systemd_service": {"name": unit, "state": "started", "enabled": True},
            }
            for unit in manifest["services"]
        ]
        apt = {"name": "packages", "ansible.builtin.apt": {"name": packages(host), "state": "present"}}
        plays.append({"hosts": host, "gather_facts": True, "tasks": [apt, *copies, *services]})
    # One play per host with the free strategy would serialise hosts; a play that includes each
    # host's own task file runs them side by side.
    for play in plays:
        (FOLDER / f"{play['hosts']}.json").write_text(json.dumps(play["tasks"]))
    site = [
        {
            "hosts": "all",
            "strategy": "free",
            "gather_facts": True,
            "tasks": [{"ansible.builtin.include_tasks": "{{ inventory_hostname }}.json"}],
        }
    ]
    (FOLDER / "site.json").write_text(json.dumps(site))
    (FOLDER / "hosts").write_text("\n".join(HOSTS) + "\n")
    (FOLDER / "ansible.cfg").write_text(
        "[defaults]\ninventory = hosts\nforks = 10\ninterpreter_python = /usr/bin/python3\n"
        "[ssh_connection]\npipelining = True\n"
        f"ssh_args = -F {config} -o ControlMaster=auto -o ControlPersist=60s\n"
    )


def write_pyinfra(state, config):
    lines = ["from pyinfra import host", "from pyinfra.operations import apt, files, systemd", ""]
    for name, manifest in state.items():
        lines.append(f"if host.name == {name!r}:")
        lines.append(f"    apt.packages(packages={packages(name)!r})")
        for entry in manifest["files"]:
            lines.append(
                f"    files.put(src={str(local(name, entry['path']))!r}, dest={entry['path']!r}, "
                f"mode='{entry['mode']:o}', user={entry['owner']!r}, group={entry['group']!r})"
            )
        for unit in manifest["services"]:
            lines.append(f"    systemd.service(service={unit!r}, running=True, enabled=True)")
    (FOLDER / "deploy.py").write_text("\n".join(lines) + "\n")
    # Its ssh library cannot take a socket from the lab's dialer: it runs inside the lab instead.
    kept = [
        line
        for line in pathlib.Path(config).read_text().splitlines()
        if "ProxyCommand" not in line and "ProxyUseFdpass" not in line
    ]
    direct = FOLDER / "ssh_direct"
    direct.write_text("\n".join(kept) + "\n")
    hosts = [(name, {"ssh_config_file": str(direct), "ssh_known_hosts_file": ""}) for name in HOSTS]
    (FOLDER / "inventory.py").write_text(f"hosts = {hosts!r}\n")


def ansible():
    quiet(VENV / "bin/ansible-playbook", "site.json", cwd=FOLDER)


def pyinfra():
    line = f"cd {FOLDER} && {VENV}/bin/pyinfra -y inventory.py deploy.py"
    quiet(JITCTL, "lab", "exec", "client", "--name", LAB, "--", "sh", "-c", line)


def floor(state, config):
    def one(host):
        paths = [entry["path"] for entry in state[host]["files"]]
        script = shlex.join(["sha256sum", *paths]) + "; systemctl show -p ActiveState '*.service'"
        quiet("ssh", "-F", config, host, "sh", "-s", input=script.encode())

    with ThreadPoolExecutor(len(HOSTS)) as pool:
        list(pool.map(one, HOSTS))


def change(number):
    """Makes the managed file differ on the host, so that every tool has the same one to mend."""
    host, path = CHANGED
    line = f"printf '// {number}\\n' >> {path}"
    jitctl("exec", "--on", host, "--", line)


def median(action, runs, before=lambda number: None):
    seconds = []
    for number in range(runs):
        before(number)
        seconds.append(timed(action))
    return statistics.median(seconds)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    set_up()
    try:
        config = ssh_config()
        state = managed(config)
        write_ansible(state, config)
        write_pyinfra(state, config)
        tools = {
            "one ssh session + one script": lambda: floor(state, config),
            "jitctl apply": lambda: jitctl("apply", "--yes"),
            "ansible-core": ansible,
            "pyinfra": pyinfra,
        }
        files = sum(len(manifest["files"]) for manifest in state.values())
        print(f"{len(HOSTS)} hosts, {files} files, median of {runs} runs, seconds\n")
        print(f"{'':32}{'no-op':>8}{'changed file':>14}")
        for name, action in tools.items():
            action()
            no_op = median(action, runs)
            if name.startswith("one"):
                print(f"{name:32}{no_op:8.2f}{'':>14}")
                continue
            changed = median(action, runs, change)
            print(f"{name:32}{no_op:8.2f}{changed:14.2f}")
    finally:
        quiet(JITCTL, "lab", "down", "--name", LAB)


if __name__ == "__main__":
    main()
