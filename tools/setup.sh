#!/usr/bin/env bash
# Makes this machine ready: the system packages of tools/apt-packages.txt and the virtual environment
# .venv of requirements.txt. What is there already is left alone; a second call changes nothing.
#
#   TORCH_INDEX  optional: where torch is looked for besides pip's own configuration, as an index
#                address, a folder of wheels, or one wheel. Left out, torch is what the registry gives
#                for the pinned version: on most machines a CUDA build.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "setup: $*" >&2; }
fail() { echo "setup: $*" >&2; exit 1; }

install_system_packages() {
  command -v dpkg-query >/dev/null ||
    fail "dpkg-query is not found; this needs Debian 12, Ubuntu 24.04 or newer"
  local package missing=()
  while read -r package; do
    case "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" in
      installed) ;;
      *) missing+=("$package") ;;
    esac
  done < <(grep -v '^#' tools/apt-packages.txt)
  if [ ${#missing[@]} -eq 0 ]; then
    return
  fi

  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    # Without a terminal, sudo may not ask for a password.
    if command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
      as_root=(sudo)
    else
      fail "system packages are missing and this user may not install them. As root, run:
  apt-get update && apt-get install -y --no-install-recommends ${missing[*]}
and start again."
    fi
  fi
  say "installing system packages: ${missing[*]}"
  "${as_root[@]}" apt-get update -q >&2
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -q --no-install-recommends "${missing[@]}" >&2
}

# Prints the first Python of at least 3.11 that can make virtual environments; the system's own first,
# since python3-venv belongs to it.
find_python() {
  local python
  for python in python3 python3.13 python3.12 python3.11; do
    if "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
      2>/dev/null; then
      command -v "$python"
      return
    fi
  done
  fail "no Python of at least 3.11 with the venv module is found (looked for python3, python3.13," \
    "python3.12, python3.11). On Debian or Ubuntu: apt-get install python3 python3-venv"
}

# Succeeds when .venv holds every version that requirements.txt pins. A local part (2.13.0+cpu)
# counts as the version before it.
venv_is_ready() {
  [ -x .venv/bin/python ] && .venv/bin/python - <<'END'
import importlib.metadata as metadata
import sys

for line in open("requirements.txt"):
    line = line.partition("#")[0].strip()
    if not line:
        continue
    name, _, version = line.partition("==")
    try:
        installed = metadata.version(name)
    except metadata.PackageNotFoundError:
        sys.exit(1)
    if installed.partition("+")[0] != version:
        sys.exit(1)
END
}

make_venv() {
  if venv_is_ready; then
    return
  fi
  if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    local python
    python=$(find_python)
    say "making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
  fi
  local options=()
  if [ -n "${TORCH_INDEX:-}" ]; then
    # A build with a local part (+cpu) ranks above the same version without one, so that an
    # additional place is enough.
    if [ -d "$TORCH_INDEX" ]; then
      options=(--find-links "$TORCH_INDEX")
    elif [[ $TORCH_INDEX == *.whl ]]; then
      options=("$TORCH_INDEX")
    else
      options=(--extra-index-url "$TORCH_INDEX")
    fi
  fi
  say "installing the pinned Python packages"
  .venv/bin/python -m pip install --no-input --disable-pip-version-check \
    "${options[@]}" -r requirements.txt >&2 ||
    fail "pip could not install requirements.txt (see above). It uses pip's own configuration;" \
      "without a network, point PIP_FIND_LINKS at a folder of wheels."
  venv_is_ready || fail ".venv does not hold what requirements.txt pins; remove .venv and start again"
}

install_system_packages
make_venv
