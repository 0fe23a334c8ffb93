#!/bin/sh
# The guest's first process: mounts what tests need, runs one command, says how it ended, and turns the machine off.
# The root file system is the host's, read-only; everything that is written goes to memory.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LANG=C.UTF-8
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/shm /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /var/tmp
mount -t cgroup2 none /sys/fs/cgroup
mount -t tracefs tracefs /sys/kernel/tracing
mount -t bpf bpf /sys/fs/bpf
echo "+cpu +pids" >/sys/fs/cgroup/cgroup.subtree_control
ip link set lo up
argument() { sed -n "s|.*gthulhu.$1=\([^ ]*\).*|\1|p" /proc/cmdline; }
LIBBPF=$(argument libbpf)
export LIBBPF
cd "$(argument folder)" || exit 1
echo "GUEST-UP $(uname -r) after $(cut -d' ' -f1 /proc/uptime) s"
sh -c "$(argument command | base64 -d)"
echo "GUEST-EXIT $?"
echo o >/proc/sysrq-trigger
while :; do :; done
