# shellcheck shell=sh
# Sourced by the tests of this folder: a bare Debian in a folder, and commands in it.

skip() {
  echo "skipped: $*"
  exit 77
}

# bare SUITE FOLDER: what `debootstrap --variant=minbase` installs. Leaves the script with status 77
# where that cannot be done.
bare() {
  [ "$(id -u)" = 0 ] || skip "a chroot wants root"
  command -v debootstrap >/dev/null || skip "there is no debootstrap"
  unshare --mount --pid --fork true 2>/dev/null || skip "this system gives no namespaces"
  rm -rf "$2"
  debootstrap --variant=minbase "$1" "$2" >"$2.log" 2>&1 || {
    tail -n 3 "$2.log"
    skip "debootstrap gets no $1"
  }
  cp /etc/resolv.conf "$2/etc/"
}

# inside FOLDER COMMAND...: runs there, with no more of this system than its kernel.
inside() {
  folder=$1
  shift
  # shellcheck disable=SC2016  # expanded by that shell
  unshare --mount --pid --fork sh -c 'mount -t proc proc "$0/proc" && exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    DEBIAN_FRONTEND=noninteractive chroot "$0" "$@"' "$folder" "$@"
}
