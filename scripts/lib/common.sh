# Shared by the scripts: the project's directory, timed steps, and how they fail.
# shellcheck shell=bash

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
readonly ROOT
cd "$ROOT"

# Without its bytecode Home Assistant takes twice as long to start.
unset PYTHONDONTWRITEBYTECODE

# End the script with a reason.
fail() {
  printf '%s: %s\n' "${0#"$ROOT"/}" "$*" >&2
  exit 1
}

# Run a command as a named step; print the name, then what the command left in RESULT, and its time.
step() {
  local started=${EPOCHREALTIME/[.,]/} tenths
  echo "$1"
  RESULT="done"
  "${@:2}"
  tenths=$(((${EPOCHREALTIME/[.,]/} - started) / 100000))
  printf '  %s (%d.%d s)\n' "$RESULT" $((tenths / 10)) $((tenths % 10))
}

failed=()

# Run a command as a step that may fail: the next ones still run, and settle ends the script.
attempt() {
  step "$1" note_failure "$@"
}

# Run a command; if it fails, note its name.
note_failure() {
  "${@:2}" && return
  RESULT=failed
  failed+=("$1")
}

# End the script with the names of the steps that failed, if any did.
settle() {
  local names
  ((${#failed[@]})) || return 0
  printf -v names ', %s' "${failed[@]}"
  fail "failed: ${names:2}"
}
