#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# mpirun that saves when it is asked to end, and says so:
#
#   jobs/mpirun.sh -n 6 harmofl train --config jobs/bbbc038.ini --resume
#
# Open MPI's mpirun ends its ranks itself when it gets SIGTERM or SIGINT, within a second, and returns 1
# whatever became of them. This script takes SIGTERM, SIGINT, SIGHUP and SIGUSR1 and asks the ranks by
# SIGUSR1, which mpirun passes on: they finish the round and save. It returns what mpirun does: 75 for a
# run that is saved and goes on with --resume, which is what a queue that starts jobs anew looks for. A
# second SIGINT ends the run at once, unsaved.
set -uo pipefail
set -m  # mpirun in a process group of its own: Ctrl-C reaches this script alone

mpirun "$@" </dev/null &
launched=$!
asked=no
# ask SIGNAL: the ranks are to save, or to end where they were asked before.
ask() {
  local forward=USR1
  [[ "$1" != INT || "$asked" == no ]] || forward=TERM
  asked=yes
  kill "-$forward" "$launched" 2>/dev/null || true
}
for signal in TERM INT HUP USR1; do
  # shellcheck disable=SC2064  # now
  trap "ask $signal" "$signal"
done

# A signal ends `wait`, not mpirun; bash still knows how a child ended that is gone.
while kill -0 "$launched" 2>/dev/null; do
  wait "$launched" || true
done
wait "$launched"
