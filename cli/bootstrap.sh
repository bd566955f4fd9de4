# Brings a fresh Debian or Ubuntu machine to the point where Warren's own Node can run: sourced by ./warren and .ci/test.
# Sourcing defines functions and has no effect. `root` must be set to the repository. Everything is printed on standard
# error. On a machine that lacks nothing the functions start no process but two checksums.

# Exit statuses, from sysexits.h: a program or package is missing; the caller may not do that.
readonly EX_UNAVAILABLE=69 EX_NOPERM=77
# Those of server/src/node-flags.ts, which says why: for the Node of this repository, which others may not know.
readonly NODE_FLAGS=(--no-concurrent-sparkplug --no-maglev-build-code-on-background)

say() { printf 'warren: %s\n' "$*" >&2; }

# fail STATUS MESSAGE
fail() {
  local status=$1
  shift
  say "$@"
  exit "$status"
}

# Package and the command by which it is known, so that a program from elsewhere counts as well.
host_packages() {
  case $(uname -m) in
    aarch64) echo qemu-system-arm:qemu-system-aarch64 ;;
    *) echo qemu-system-x86:qemu-system-x86_64 ;;
  esac
  printf '%s\n' mmdebstrap:mmdebstrap nftables:nft iproute2:ip qemu-utils:qemu-img e2fsprogs:mkfs.ext4 \
    util-linux:flock xz-utils:xz lz4:lz4 ca-certificates:update-ca-certificates
}

# missing_packages PACKAGE:COMMAND… → names of the packages whose command is not on PATH
missing_packages() {
  local entry
  for entry; do
    command -v "${entry#*:}" >/dev/null || echo "${entry%%:*}"
  done
}

# Installs Debian packages by name. Package lists are fetched only when they do not know a name or are out of date.
install_packages() {
  (($#)) || return 0
  command -v apt-get >/dev/null ||
    fail $EX_UNAVAILABLE "these Debian packages, or the programs in them, are needed and there is no apt-get here: $*"
  ((EUID == 0)) || fail $EX_NOPERM "root is needed to install packages: $*"
  say "installing packages: $*"
  local options=(-y --no-install-recommends -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0)
  export DEBIAN_FRONTEND=noninteractive
  if ! apt-get install --simulate "${options[@]}" "$@" >/dev/null 2>&1; then
    say "fetching package lists"
    apt-get update -o DPkg::Lock::Timeout=600 >&2 || fail $EX_UNAVAILABLE "apt-get update failed, see above"
  elif apt-get install "${options[@]}" "$@" >&2; then
    return 0
  else
    say "fetching package lists and trying again"
    apt-get update -o DPkg::Lock::Timeout=600 >&2 || fail $EX_UNAVAILABLE "apt-get update failed, see above"
  fi
  apt-get install "${options[@]}" "$@" >&2 || fail $EX_UNAVAILABLE "apt-get could not install: $*"
}

# go_is_usable [PROGRAM] → whether it is Go 1.19 or newer, the oldest that builds the guest agent
go_is_usable() {
  local version
  version=$("${1:-go}" version 2>/dev/null) || return 1
  [[ $version =~ go1\.([0-9]+) ]] && ((BASH_REMATCH[1] >= 19))
}

# Puts a Go of another place first on PATH; false when there is none.
find_go_elsewhere() {
  local program
  for program in /usr/local/go/bin/go /usr/lib/go/bin/go $(printf '%s\n' /usr/lib/go-1.*/bin/go | sort -rV); do
    if go_is_usable "$program"; then
      PATH=$(dirname -- "$program"):$PATH
      return 0
    fi
  done
  return 1
}

# Makes `go` on PATH one that builds the guest agent.
ensure_go() {
  local checked="$root/.warren/go-checked" go
  go=$(command -v go) && [[ -e $checked && ! $go -nt $checked ]] && return 0
  if ! go_is_usable && ! find_go_elsewhere; then
    install_packages golang-go
    if ! go_is_usable && ! find_go_elsewhere; then
      # Releases whose default is older carry newer ones beside it, such as golang-1.21-go.
      local newer
      newer=$(apt-cache pkgnames golang-1. | grep -E '^golang-1\.[0-9]+-go$' | sort -V | tail -n 1)
      [[ -n $newer ]] && install_packages "$newer"
      find_go_elsewhere || fail $EX_UNAVAILABLE "Go 1.19 or newer is needed and this release has none: see https://go.dev/dl"
    fi
  fi
  # Only a Go that the next start finds on PATH by itself is worth remembering.
  if [[ $(command -v go) == "$go" ]]; then mkdir -p "$root/.warren" && : >"$checked"; fi
}

# Everything a microVM host needs from packages.
ensure_host_packages() {
  local entries
  mapfile -t entries < <(host_packages)
  mapfile -t entries < <(missing_packages "${entries[@]}")
  install_packages "${entries[@]}"
  ensure_go
}

# Whether node_modules is what package-lock.json says, by npm's own record of what it installed. Packages of other
# platforms are absent from that record, and links to workspaces are of no concern.
node_modules_match_lock() {
  node -e '
    const { readFileSync } = require("node:fs");
    const read = (name) => JSON.parse(readFileSync(name, "utf8")).packages;
    const [wanted, present] = process.argv.slice(1).map(read);
    const stale = Object.entries(wanted).filter(([path, { version, optional, peer, link }]) => {
      if (!path.includes("node_modules/") || link) return false;
      return present[path] ? present[path].version !== version : !optional && !peer;
    });
    process.exit(stale.length === 0 ? 0 : 1);
  ' "$root/package-lock.json" "$root/node_modules/.package-lock.json" 2>/dev/null
}

# Whether this start may skip npm: the lock file is the one that node_modules was last found to agree with.
node_modules_are_current() {
  local stamp="$root/node_modules/.warren-lock-sum" recorded current
  [[ -r $stamp && -x $root/node_modules/.bin/node ]] || return 1
  read -r recorded <"$stamp"
  current=$(sha256sum <"$root/package-lock.json")
  [[ $recorded == "${current%% *}" ]]
}

# A Node that can run npm, whatever its version beyond 20.
require_bootstrap_node() {
  local version
  if ! version=$(node --version 2>/dev/null); then
    fail $EX_UNAVAILABLE "Node.js 20 or newer is needed to install Warren's packages and there is no 'node' on PATH." \
      "Install it from your distribution (apt-get install nodejs npm, where that is 20 or newer) or from https://nodejs.org"
  fi
  [[ $version =~ ^v([0-9]+) ]] && ((BASH_REMATCH[1] >= 20)) ||
    fail $EX_UNAVAILABLE "Node.js 20 or newer is needed and 'node' on PATH is $version: see https://nodejs.org"
  command -v npm >/dev/null && return 0
  # Debian packages npm apart from Node.
  ((EUID == 0)) && command -v apt-get >/dev/null && install_packages npm
  command -v npm >/dev/null || fail $EX_UNAVAILABLE "npm is needed and not on PATH: install it beside $(command -v node)"
}

# Installs node_modules when they are missing or not those of package-lock.json. One process at a time.
ensure_node_modules() {
  node_modules_are_current && return 0
  require_bootstrap_node
  mkdir -p "$root/.warren" 2>/dev/null && [[ -w $root && -w $root/.warren ]] ||
    fail $EX_NOPERM "node_modules is missing or out of date and $root is not writable: run 'npm ci' there as its owner"
  (
    if command -v flock >/dev/null; then
      flock --nonblock 9 || { say "waiting for another installation" && flock 9; }
    fi
    node_modules_are_current && exit 0
    if ! node_modules_match_lock; then
      say "installing JavaScript packages (npm ci)"
      (cd -- "$root" && npm ci --no-audit --no-fund >&2 9>&-) || fail $EX_UNAVAILABLE "npm ci failed, see above"
    fi
    [[ -x $root/node_modules/.bin/node ]] ||
      fail $EX_UNAVAILABLE "npm installed no Node for $(uname -sm): Warren runs on Linux, x86-64 and arm64"
    current=$(sha256sum <"$root/package-lock.json")
    printf '%s\n' "${current%% *}" >"$root/node_modules/.warren-lock-sum"
  ) 9>"$root/.warren/install.lock" || exit $?
}

# Whether the bundled programs are those of the sources: made here, and nothing has changed since. A file that was
# removed changes its directory.
bundle_is_current() {
  local stamp="$root/.warren/bundle/stamp" source sources=()
  [[ -r $stamp && $(<"$stamp") == "$root" ]] || return 1
  for source in contracts server control-plane host-agent sdk cli package-lock.json; do
    [[ ! -e $root/$source ]] || sources+=("$root/$source")
  done
  [[ -z $(find "${sources[@]}" -name node_modules -prune -o -newer "$stamp" -print -quit) ]]
}

# Sets `bundle` to the directory of the bundled programs, which are made anew when the sources have changed. False where
# that cannot be: then the programs run from their sources.
use_bundle() {
  bundle=$root/.warren/bundle
  bundle_is_current && return 0
  [[ -w $root/.warren ]] || return 1
  "$root/node_modules/.bin/node" "${NODE_FLAGS[@]}" "$root/cli/src/bundle.ts" && return 0
  say "the programs could not be bundled, see above: they start from their sources, which takes longer"
  return 1
}
