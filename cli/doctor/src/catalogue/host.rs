//! The machine: reach, disk, packages, clock, units, names.

use super::rows;

rows! {
    HOST_KEY_CHANGED: "H01", Error, "the host key is not the known one" {
        symptom: "`REMOTE HOST IDENTIFICATION HAS CHANGED` from ssh",
        cause: "the host was installed anew, or somebody answers in its place",
        detection: "a strict host key check when connecting",
        cure: "jitctl trust HOST --replace   # after comparing the fingerprint on its console",
        fixable: false,
        here: [],
        elsewhere: [],
    }
    SUDO_MISSING: "H02", Error, "the login may not use sudo without a password" {
        symptom: "`sudo: a password is required`",
        cause: "the sudoers line of the login is missing or was changed",
        detection: "`sudo -n` before anything else",
        cure: "ssh -t HOST 'echo \"$USER ALL=(ALL) NOPASSWD: ALL\" | sudo tee /etc/sudoers.d/jitctl'",
        fixable: false,
        here: [],
        elsewhere: [],
    }
    LOGIN_REFUSED: "H03", Error, "the host accepts none of our keys" {
        symptom: "`Permission denied (publickey)`",
        cause: "the agent offers other keys, or the key was removed from the host",
        detection: "the words of ssh when connecting",
        cure: "ssh-copy-id HOST   # or set ssh.key and ssh.user of the host in the inventory",
        fixable: false,
        here: [],
        elsewhere: [],
    }
    HOST_UNREACHABLE: "H04", Error, "the host cannot be reached" {
        symptom: "ssh times out or is refused",
        cause: "the host is down, its address is wrong, or port 22 is closed for us",
        detection: "an ssh connection with a deadline",
        cure: "ping HOST; jitctl ssh HOST   # then look at the console of your provider",
        fixable: false,
        here: ["X15", "B12"],
        elsewhere: ["X06", "X07", "X12", "X15", "B12"],
    }
    HOST_NAME_UNKNOWN: "H05", Error, "the host's name does not resolve on this machine" {
        symptom: "`Could not resolve hostname` from ssh; with many hosts now of this one, now of that one",
        cause: "the name is not in DNS, or this machine's name server drops questions when many come at once",
        detection: "the words of ssh when connecting",
        cure: "getent hosts HOST   # or set `ssh.address` of HOST in the inventory to an IP address",
        fixable: false,
        here: ["X15", "B12"],
        elsewhere: ["X06", "X07", "X12", "X15", "B12"],
    }
    HOST_KEY_UNKNOWN: "H12", Error, "the host key is not known yet" {
        symptom: "`Host key verification failed`",
        cause: "nobody has confirmed the host's key on this machine",
        detection: "a strict host key check when connecting",
        cure: "jitctl trust HOST",
        fixable: false,
        here: [],
        elsewhere: [],
    }
    DISK_FULL: "H06", Error, "the disk is (almost) full" {
        symptom: "odd failures of every service; `No space left on device`",
        cause: "logs or packages grew, or the disk is too small",
        detection: "free space and inodes of the file systems that we write to",
        cure: "jitctl exec --on HOST -- journalctl --vacuum-size=200M",
        fixable: false,
        here: ["H07", "H09", "H11", "H13"],
        elsewhere: [],
    }
    PACKAGE_HALF_INSTALLED: "H07", Error, "a package is half installed" {
        symptom: "`dpkg was interrupted`; services missing or old",
        cause: "an installation was interrupted",
        detection: "the states in dpkg's own database",
        cure: "jitctl exec --on HOST -- dpkg --configure -a",
        fixable: false,
        here: ["H09"],
        elsewhere: [],
    }
    CLOCK_OFF: "H08", Error, "the clock is off" {
        symptom: "certificates `not valid yet` or `expired`; tokens refused",
        cause: "no time synchronisation, or a paused virtual machine",
        detection: "the host's clock beside this machine's, the way there and back taken off",
        cure: "jitctl exec --on HOST -- systemctl restart systemd-timesyncd   # or chrony",
        fixable: false,
        here: ["X09", "X10", "T01", "U05"],
        elsewhere: [],
    }
    MEMORY_SHORT: "B11", Error, "the host runs out of memory" {
        symptom: "services die or stall; `Out of memory: Killed process` in the kernel's log",
        cause: "the host is too small for what it carries, or another program grew",
        detection: "the memory that is available, and units that were killed for want of it",
        cure: "jitctl exec --on HOST -- 'ps -eo rss,comm --sort=-rss | head'   # then a bigger host, or fewer programs",
        fixable: false,
        here: ["H09", "B13", "B22"],
        elsewhere: [],
    }
    WEB_PORT_TAKEN: "U02", Error, "another program holds the web port" {
        symptom: "`bind() to 0.0.0.0:443 failed`; the page does not open",
        cause: "coturn or another web server listens on 443, too",
        detection: "the owner of the socket on MAIN's port 443",
        cure: "jitctl exec --on HOST -- 'ss -ltnp sport = :443'   # stop that program, then jitctl apply --on HOST",
        fixable: false,
        here: ["H09", "W20", "W01", "W03", "W04", "W05", "W06", "W07", "W10", "W12", "W21", "X23", "U05", "T01", "T04", "T05"],
        elsewhere: [],
    }
    PRIVATE_PORT_TAKEN: "B08", Error, "another program holds a private port of ours" {
        symptom: "the service ends at its start with an HTTP bind error",
        cause: "8080 or 8888 is a favourite of other programs, too",
        detection: "the owner of the socket on the private port of bridge or focus",
        cure: "jitctl exec --on HOST -- ss -ltnp   # stop that program, or give it another port; then jitctl apply --on HOST",
        fixable: false,
        here: ["H09", "B20", "X15", "X12", "B12", "B13", "B22", "B23", "B05", "R04", "W08", "W09", "W21"],
        elsewhere: ["X15", "B12"],
    }
    NEVER_APPLIED: "H14", Error, "nothing was ever applied to the host" {
        symptom: "the host is in the inventory and carries nothing",
        cause: "it was added to the inventory, and no apply has reached it yet",
        detection: "the list of what the last apply left there is missing",
        cure: "jitctl apply --on HOST",
        fixable: true,
        here: ["H09", "H10", "X12", "X15", "W20", "P03", "P04", "B23", "B05"],
        elsewhere: ["X06", "X12", "X15"],
    }
    UNIT_MASKED: "H10", Error, "a unit is masked" {
        symptom: "`Unit is masked`; it starts neither by hand nor at boot",
        cause: "somebody masked it to keep it down",
        detection: "the unit file's state",
        cure: "jitctl exec --on HOST -- 'systemctl unmask UNIT && systemctl enable --now UNIT'",
        fixable: true,
        here: ["H09"],
        elsewhere: [],
    }
    CONFIGURATION_REFUSED: "B20", Error, "a service of ours refuses its configuration" {
        symptom: "exit code 78 and no restart",
        cause: "a file was edited by hand, or belongs to another version",
        detection: "the exit status that systemd kept, and the configuration itself",
        cure: "jitctl apply --on HOST",
        fixable: true,
        here: ["H09", "H11"],
        elsewhere: [],
    }
    SERVICE_DOWN: "H09", Error, "a service of ours is not running" {
        symptom: "the unit is failed or inactive",
        cause: "it was stopped, or it failed; the journal says which",
        detection: "the state of each unit that the inventory asks for",
        cure: "jitctl exec --on HOST -- systemctl restart UNIT",
        fixable: true,
        here: [],
        elsewhere: [],
    }
    DNS_SILENT: "D02", Error, "the host's name server does not answer" {
        symptom: "everything that looks up a name takes tens of seconds",
        cause: "the name server in /etc/resolv.conf is down or unreachable",
        detection: "a look-up on the host with a limit of its own",
        cure: "jitctl exec --on HOST -- cat /etc/resolv.conf   # then name a server that answers",
        fixable: false,
        here: ["D01"],
        elsewhere: [],
    }
    DNS_WRONG: "D01", Error, "the site's name leads somewhere else" {
        symptom: "people see another page or a certificate warning",
        cause: "the DNS record is old or was never made",
        detection: "the name is looked up on every host and compared with MAIN's addresses",
        cure: "set the A/AAAA record of the site's domain to MAIN's public address",
        fixable: false,
        here: [],
        elsewhere: [],
    }
    NAME_ELSEWHERE: "D03", Error, "the site's name is wrong as seen from this machine" {
        symptom: "people see another page, a certificate warning, or nothing, while the hosts know the name",
        cause: "the public DNS record is old or was never made; the hosts have their own entry",
        detection: "the name looked up on this machine and compared with MAIN's addresses",
        cure: "set the A/AAAA record of the site's domain to MAIN's public address",
        fixable: false,
        here: [],
        elsewhere: [],
    }
}
