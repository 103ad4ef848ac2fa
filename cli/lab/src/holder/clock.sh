# $1: `off`, or an offset for libfaketime such as `+172800s`.
library=$(echo /usr/lib/*/faketime/libfaketimeMT.so.1)
rm -f /etc/systemd/system.conf.d/lab-clock.conf /etc/ssh/sshd_config.d/lab-clock.conf \
  /etc/systemd/system/ssh.service.d/lab-clock.conf
if [ "$1" != off ]; then
  mkdir -p /etc/systemd/system.conf.d /etc/systemd/system/ssh.service.d
  printf '[Manager]\nDefaultEnvironment=LD_PRELOAD=%s FAKETIME=%s FAKETIME_DONT_FAKE_MONOTONIC=1\n' \
    "$library" "$1" > /etc/systemd/system.conf.d/lab-clock.conf
  printf '[Service]\nUnsetEnvironment=LD_PRELOAD FAKETIME\n' \
    > /etc/systemd/system/ssh.service.d/lab-clock.conf
  printf 'SetEnv LD_PRELOAD=%s FAKETIME=%s FAKETIME_DONT_FAKE_MONOTONIC=1\n' \
    "$library" "$1" > /etc/ssh/sshd_config.d/lab-clock.conf
fi
systemctl daemon-reexec
# Not `reload`, which returns before sshd listens again. Sessions survive.
systemctl restart ssh
