#!/bin/bash
# The first process of the machine: mounts what systemd mounts, and as it does; loads the modules; runs the tests
# with the second serial port as their output; turns the machine off. What it says to xtask begins with
# "portreeve-vm: " (console.rs). If a step fails the console tells which, and the machine is off without an "exit".
set -eu
export PATH=/bin:/applets HOME=/root
port=/dev/ttyS1
# A serial port is written out when the last who has it open closes it.
trap 'echo "/init: line $LINENO: $BASH_COMMAND" >&2; exec <&- >&- 2>&-; poweroff -f' ERR
busybox mount -t proc -o nosuid,nodev,noexec proc /proc
busybox --install -s /applets

mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
# The kernel may have mounted it already.
grep -q ' /dev ' /proc/mounts || mount -t devtmpfs -o nosuid,mode=755 devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o nosuid,noexec,gid=5,mode=620 devpts /dev/pts
mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs /dev/shm
mount -t tmpfs -o nosuid,nodev,mode=755 tmpfs /run
mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs /tmp
mount -t bpf -o nosuid,nodev,noexec,mode=700 bpf /sys/fs/bpf
ln -s /proc/self/fd /dev/fd

root=/sys/fs/cgroup
v2=nosuid,nodev,noexec,nsdelegate
v1=nosuid,nodev,noexec
case $(</vm/cgroup) in
unified)
    mount -t cgroup2 -o $v2,memory_recursiveprot cgroup2 $root
    ;;
hybrid)
    mount -t tmpfs -o nosuid,nodev,noexec,mode=755 tmpfs $root
    mkdir $root/unified $root/systemd $root/net_cls,net_prio
    mount -t cgroup2 -o $v2 cgroup2 $root/unified
    mount -t cgroup -o $v1,none,name=systemd cgroup $root/systemd
    mount -t cgroup -o $v1,net_cls,net_prio cgroup $root/net_cls,net_prio
    root=$root/unified
    ;;
esac
cgroup=$root/system.slice/portreeve-tests.service
mkdir -p $cgroup

while read -r module; do
    insmod "$module"
done </vm/modules
# The module makes one by itself, which on a machine with systemd it is told not to.
ip link delete dummy0 2>/dev/null || true
ip link set lo up
# As systemd has it; the soft limit stays the kernel's 1024.
ulimit -Hn 524288

echo "portreeve-vm: up: Linux $(uname -r), cgroup2 at $root, $(wc -l </vm/modules) modules" >$port
mapfile -d '' -t command </vm/command
status=0
(
    echo $BASHPID >$cgroup/cgroup.procs
    exec env "${command[@]}"
) </dev/null >$port 2>&1 || status=$?

# The last who closes the port must be us, and not what a test left behind.
kill -KILL -1 2>/dev/null || true
while ls -l /proc/[0-9]*/fd 2>/dev/null | grep -q $port; do sleep 0.1; done
echo "portreeve-vm: exit $status" >$port
poweroff -f
