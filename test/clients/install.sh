#!/usr/bin/env bash
# The clients that registries bring, at pinned versions, beside their tests:  bash test/clients/install.sh [python] [node] [runtimes] [rust]
# Does nothing where they are there already. What cannot be had is said, and skipped by its tests.
set -uo pipefail
cd "$(dirname "$0")"
missed=()

# Runs the command unless it has run to its end with the same file.
once() {
  local stamp=$1 file=$2
  shift 2
  cmp -s "$file" "$stamp" && return
  "$@" && cp "$file" "$stamp"
}

install_python() {
  once python/.venv/installed python/requirements.txt python_packages
}
python_packages() {
  python3 -m venv --clear python/.venv && python/.venv/bin/python -m pip install -q --disable-pip-version-check -r python/requirements.txt
}

install_node() { node_packages node; }
# Deno, Bun and pnpm, some 260 MB when unpacked: each is a single program in a package for its machine.
install_runtimes() { node_packages runtimes; }
node_packages() {
  once "$1/node_modules/.installed" "$1/package-lock.json" npm ci --prefix "$1" --ignore-scripts --omit-lockfile-registry-resolved --no-audit --no-fund
}

install_rust() {
  command -v cargo >/dev/null || return
  # With native-tls where the headers of OpenSSL are.
  local features=()
  if command -v pkg-config >/dev/null && pkg-config --exists openssl; then features=(--features native); fi
  cargo build --quiet --locked --manifest-path rust/Cargo.toml "${features[@]}"
}

for family in "${@:-python node runtimes rust}"; do
  for one in $family; do "install_$one" || missed+=("$one"); done
done
if ((${#missed[@]})); then echo "Not installed, so their clients are skipped: ${missed[*]}" >&2; fi
