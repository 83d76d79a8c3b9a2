# What comes from the distribution: looked for first, installed only where missing.
# shellcheck shell=bash disable=SC2034 # RESULT is for step to print.

# Print the packages without which there is no browser, or Home Assistant 2026.11 complains.
missing_packages() {
  local command
  for command in chromium ffmpeg g++; do
    command -v "$command" >/dev/null || echo "$command"
  done
  [[ $(/sbin/ldconfig -p) == *libturbojpeg.so.0* ]] || echo libturbojpeg0
}

# Install what the demo needs from the distribution.
provide_packages() {
  local missing
  mapfile -t missing < <(missing_packages)
  RESULT="already there"
  ((${#missing[@]} == 0)) || install_packages "${missing[@]}"
}

# Install packages, or say what is missing and how to get it.
install_packages() {
  local as_root=() by_hand="missing: $*; on Debian: apt-get install $*"
  if ((EUID)); then
    sudo -n true 2>/dev/null || fail "$by_hand"
    as_root=(sudo -n)
  fi
  command -v apt-get >/dev/null || fail "$by_hand"
  # A source that cannot be reached matters only if a package comes from it.
  "${as_root[@]}" apt-get -qq update || true
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
    -o DPkg::Lock::Timeout=300 install "$@" >/dev/null || fail "$by_hand"
  RESULT="installed: $*"
}
