#!/bin/sh
# two_hosts.sh PROGRAM [ARGUMENT...]: runs the program on the first of two hosts, `alpha` and
# `beta`: namespaces of this machine, with a network between them, that end with the program.
# Status 77, which ctest calls skipped, where this machine does not allow them, and says why.
# The program finds in its environment
#   MEC_HOSTS        their addresses, as mpirun's --host takes them
#   MEC_RSH_AGENT    what mpirun starts its daemon on the second one with, in place of ssh
#   MEC_CUT_NETWORK  a command that takes the network between them away
set -eu

if [ "${MEC_HOSTS-}" = "" ]; then
  for program in unshare nsenter ip; do
    command -v $program >/dev/null || {
      echo "skipped: there is no $program for two hosts (Debian's util-linux and iproute2)"
      exit 77
    }
  done
  if ! reason=$(unshare --user --map-root-user --net --uts --pid --mount --fork true 2>&1); then
    echo "skipped: no namespaces for two hosts here: $reason"
    exit 77
  fi
  export MEC_HOSTS=10.77.0.1,10.77.0.2
  exec unshare --user --map-root-user --net --uts --pid --mount-proc --fork --kill-child "$0" "$@"
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
skip() {
  echo "skipped: no network between two hosts here: $(cat "$folder/reason")"
  exit 77
}

unshare --net --uts sleep 3600 &
beta=$!
# It has namespaces of its own a moment after it has begun.
while [ "$(readlink /proc/$beta/ns/net)" = "$(readlink /proc/self/ns/net)" ] ||
  [ "$(readlink /proc/$beta/ns/uts)" = "$(readlink /proc/self/ns/uts)" ]; do sleep 0.1; done
on_beta="nsenter --target $beta --net --uts"
{
  hostname alpha
  $on_beta hostname beta
  ip link set lo up
  $on_beta ip link set lo up
  ip link add to_beta type veth peer name to_alpha netns $beta
  ip address add 10.77.0.1/24 dev to_beta
  ip link set to_beta up
  $on_beta ip address add 10.77.0.2/24 dev to_alpha
  $on_beta ip link set to_alpha up
} 2>"$folder/reason" || skip

# Called with the host's address, and a line for its shell.
printf '#!/bin/sh\nshift\nexec %s sh -c "$*"\n' "$on_beta" >"$folder/agent"
chmod +x "$folder/agent"
export MEC_RSH_AGENT="$folder/agent" MEC_CUT_NETWORK="ip link set to_beta down"
status=0
"$@" || status=$?
exit $status
