# What comes from the distribution: looked for first, installed only where missing.
# shellcheck shell=bash disable=SC2034 # RESULT is for step to print.

# Print a package, of the command's name if no other is given, unless the command is there.
unless_there() {
  command -v "$1" >/dev/null || echo "${2:-$1}"
}

# Print the packages without which there is no browser, or Home Assistant 2026.11 complains.
missing_for_e2e() {
  unless_there chromium
  unless_there ffmpeg
  unless_there g++
  [[ $(/sbin/ldconfig -p) == *libturbojpeg.so.0* ]] || echo libturbojpeg0
}

# Print the packages without which PostgreSQL does not run.
missing_for_postgresql() {
  compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || unless_there initdb postgresql
}

# Print the packages without which MariaDB does not run, or its driver cannot be built.
missing_for_mariadb() {
  # Not mariadb-server, which is a service of the system.
  unless_there mariadb-install-db mariadb-server-core
  unless_there my_print_defaults mariadb-client-core
  unless_there mariadb_config libmariadb-dev
  unless_there pkg-config
  unless_there g++
}

# Install what something needs from the distribution: e2e, postgresql or mariadb.
provide_packages() {
  local missing
  mapfile -t missing < <("missing_for_$1")
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
