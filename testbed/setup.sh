#!/bin/sh
# Install what zcore needs from Debian 12 or 13, and only what is missing. Safe to run again and again.
#   setup.sh --build-only   compiler, Python headers and venv: enough to build and use zcore on this machine
#   setup.sh                all that, and what the testbed needs to build a kernel and boot it
set -eu

# linux-libc-dev has the kernel headers that zcore is compiled against
build="gcc libc6-dev linux-libc-dev make python3 python3-dev python3-venv ca-certificates"
kernel="linux-source-6.12 flex bison bc libelf-dev libssl-dev kmod cpio rsync xz-utils perl"
machine="qemu-system-x86 busybox-static udev procps iproute2"
# the oracle of a test that compares headers, and what one reaches for when a test fails
tests="libdrm-dev v4l-utils strace"

case "${1:-}" in
--build-only) wanted="$build" ;;
"") wanted="$build $kernel $machine $tests" ;;
*)
    sed -n '2,4s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac

fail() {
    printf 'setup.sh: %s\n' "$1" >&2
    exit 1
}

command -v dpkg-query >/dev/null || fail "this is no Debian; install what corresponds to: $wanted"

# Names of the wanted packages that are not installed. dpkg-query fails when it does not know one, and still lists the rest.
missing() {
    # shellcheck disable=SC2086  # a list of words
    have=" $(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null |
        sed -n 's/^installed //p' | tr '\n' ' ')"
    for package in $wanted; do
        case "$have" in *" $package "*) ;; *) printf '%s ' "$package" ;; esac
    done
}

need=$(missing)
[ -n "$need" ] || exit 0

as_root=""
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
        fail "these packages are missing, and installing them needs root or sudo: apt-get install $need"
    as_root="sudo"
fi
apt="$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y"

# A foreign repository that does not answer must not stop us: what counts is whether the packages are found.
$apt update </dev/null || echo "setup.sh: 'apt-get update' complained; trying with the lists as they are" >&2

case " $need " in
*" linux-source-6.12 "*)
    # Debian 13 has it in main, Debian 12 in bookworm-security and in bookworm-backports.
    apt-cache policy linux-source-6.12 | grep -q 'Candidate: [0-9]' ||
        fail "no repository offers linux-source-6.12. On Debian 12 add bookworm-security (or bookworm-backports):
  echo 'deb http://deb.debian.org/debian-security bookworm-security main' > /etc/apt/sources.list.d/security.list
and run this again. 'setup.sh --build-only' does without it: only the virtual machine needs a kernel."
    ;;
esac

# shellcheck disable=SC2086  # a list of words
$apt install --no-install-recommends $need </dev/null ||
    fail "apt-get could not install: $need(see above)"

need=$(missing)
[ -z "$need" ] || fail "apt-get ran, and still missing are: $need"
