#!/bin/sh
# Installs a built Portreeve with its systemd unit and example configuration, and starts it.
#
#   install.sh [--binary FILE] [--root DIR] [--no-start]
#
#   --binary FILE   the program (default: beside this script, else the release build of this checkout)
#   --root DIR      install below DIR and start nothing: for packages and tests (default: /)
#   --no-start      install only
#
# Run it again to upgrade: the program and the unit are replaced, a configuration that is there is kept. Needs
# root unless --root names a folder of your own.

set -eu

fail() {
    echo "install.sh: $*" >&2
    exit 1
}

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=
binary=
start=yes

while [ $# -gt 0 ]; do
    case $1 in
    --binary)
        [ $# -ge 2 ] || fail "--binary needs a file"
        binary=$2
        shift 2
        ;;
    --root)
        [ $# -ge 2 ] || fail "--root needs a folder"
        root=${2%/}
        start=no
        shift 2
        ;;
    --no-start)
        start=no
        shift
        ;;
    -h | --help)
        sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
    *) fail "unknown argument $1; see install.sh --help" ;;
    esac
done

if [ -z "$binary" ]; then
    for candidate in "$here/portreeve" "$here/../../target/release/portreeve"; do
        if [ -f "$candidate" ]; then
            binary=$candidate
            break
        fi
    done
    [ -n "$binary" ] || fail "no built program; run cargo build --release, or name one with --binary"
fi
[ -f "$binary" ] || fail "$binary is not a file"
for file in portreeve.service portreeve.yaml policy.yaml; do
    [ -f "$here/$file" ] || fail "$here/$file is missing"
done
if [ -z "$root" ] && [ "$(id -u)" -ne 0 ]; then
    fail "installing into / needs root; run it with sudo, or name a folder with --root"
fi

# put MODE FROM TO: replaces TO in one step, so that a program that runs and a reader see the old file or the
# new one.
put() {
    install -D -m "$1" -- "$2" "$3.new"
    mv -f -- "$3.new" "$3"
    echo "installed $3"
}

install -d -m 0755 -- "$root/etc/portreeve" "$root/etc/portreeve/policies"
install -d -m 0700 -- "$root/etc/portreeve/credentials"
put 0755 "$binary" "$root/usr/local/bin/portreeve"
put 0644 "$here/portreeve.service" "$root/etc/systemd/system/portreeve.service"
put 0644 "$here/portreeve.yaml" "$root/etc/portreeve/portreeve.yaml.example"
if [ -e "$root/etc/portreeve/portreeve.yaml" ]; then
    echo "kept $root/etc/portreeve/portreeve.yaml"
else
    put 0644 "$here/portreeve.yaml" "$root/etc/portreeve/portreeve.yaml"
fi
# A folder with policies of somebody's own is left alone: one more document would add its rules to theirs.
if [ -n "$(ls -A "$root/etc/portreeve/policies")" ]; then
    echo "kept $root/etc/portreeve/policies"
else
    put 0644 "$here/policy.yaml" "$root/etc/portreeve/policies/first.yaml"
fi

if [ "$start" = no ]; then
    exit 0
fi
if [ ! -d /run/systemd/system ]; then
    echo "no systemd here; start it with: portreeve run --config /etc/portreeve/portreeve.yaml"
    exit 0
fi
systemctl daemon-reload
systemctl enable portreeve.service
# The unit says that it is ready only when it is: this waits for it, and fails if it does not come up.
if ! systemctl restart portreeve.service; then
    systemctl --no-pager --lines=20 status portreeve.service >&2 || true
    fail "portreeve did not start; edit /etc/portreeve/portreeve.yaml, then: systemctl restart portreeve"
fi
# What protects this machine now and what stays open, in words. A first configuration names no server that is there.
code=0
"$root/usr/local/bin/portreeve" doctor || code=$?
case $code in
0) echo "portreeve runs, and all is well; see: portreeve status" ;;
3) echo "portreeve runs, and the warnings above should be looked at; see: portreeve status" ;;
*) echo "portreeve runs, and the failures above have to be mended; then ask again: portreeve doctor" ;;
esac
