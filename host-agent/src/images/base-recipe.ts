/** To be raised when code beside these values makes something else of the same packages. */
export const RECIPE_VERSION = "1";

/** What every base image holds besides the distribution's essential packages. */
export const BASE_PACKAGES: readonly string[] = [
  "ca-certificates",
  "curl",
  "git",
  "iproute2",
  "less",
  "ncurses-base",
  "ncurses-bin",
  "procps",
  "python-is-python3",
  "python3",
  "python3-pip",
  "python3-venv",
  "sudo",
];

/** What the image named `node` holds besides. */
export const NODE_PACKAGES: readonly string[] = ["nodejs", "npm"];

/** Bytes of the file system, most of them free for the sandbox. A sparse file: free space takes none on the host. */
export const IMAGE_BYTES = 4 * 1024 ** 3;

/** Parts of packages that a sandbox has no use for. */
const EXCLUDED = ["/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/doc/*"];
const KEPT = ["/usr/share/doc/*/copyright"];

/**
 * Run by mmdebstrap once the essential packages stand; $1 is the root file system. The excluded paths hold for packages
 * installed from here on, in sandboxes too. Given to mmdebstrap itself they would send every essential package through a
 * filter, which takes longer than all the rest of unpacking.
 */
export const AFTER_ESSENTIAL = `set -eu
mkdir -p "$1/etc/dpkg/dpkg.cfg.d"
cat > "$1/etc/dpkg/dpkg.cfg.d/sandbox" <<'EOF'
${EXCLUDED.map((path) => `path-exclude=${path}`).join("\n")}
${KEPT.map((path) => `path-include=${path}`).join("\n")}
EOF
rm -rf "$1/usr/share/man/"* "$1/usr/share/info/"* "$1/usr/share/locale/"*
find "$1/usr/share/doc" -mindepth 1 ! -type d ! -name copyright -delete
`;

/** Run by mmdebstrap at the end: the user, the network's files, and the removal of what differs from build to build. */
export const CUSTOMIZE = `set -eu
env -i PATH=/usr/sbin:/usr/bin LC_ALL=C.UTF-8 chroot "$1" \\
  useradd --create-home --uid=1000 --user-group --groups=sudo --shell=/bin/bash --comment= user

cat > "$1/etc/sudoers.d/user" <<'EOF'
user ALL=(ALL:ALL) NOPASSWD: ALL
EOF
chmod 0440 "$1/etc/sudoers.d/user"

cat > "$1/etc/profile.d/sandbox.sh" <<'EOF'
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LANG=\${LANG:-C.UTF-8}
EOF

# A sandbox is thrown away: pip may install beside the packages of the distribution.
cat > "$1/etc/pip.conf" <<'EOF'
[global]
break-system-packages = true
EOF

echo sandbox > "$1/etc/hostname"
cat > "$1/etc/hosts" <<'EOF'
127.0.0.1 localhost
127.0.1.1 sandbox
::1 localhost ip6-localhost ip6-loopback
EOF
rm -f "$1/etc/resolv.conf"
cat > "$1/etc/resolv.conf" <<'EOF'
nameserver 8.8.8.8
nameserver 8.8.4.4
EOF

install -d -m 0777 -o 1000 -g 1000 "$1/code"
chmod -R a+rwX "$1/usr/local"

rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap" "$1/etc/.pwd.lock" "$1/etc/fstab"
rm -f "$1/etc/passwd-" "$1/etc/group-" "$1/etc/shadow-" "$1/etc/gshadow-" "$1/etc/subuid-" "$1/etc/subgid-"
: > "$1/etc/machine-id"
# Days since 1970 at which passwords were last changed.
sed -i -E 's/^([^:]*:[^:]*):[0-9]+:/\\1:20000:/' "$1/etc/shadow"
find "$1/var/log" "$1/var/cache/apt" "$1/var/cache/ldconfig" "$1/var/lib/apt/lists" "$1/run" "$1/tmp" \\
  -mindepth 1 ! -type d -delete
rm -f "$1/var/cache/debconf/"*-old "$1/var/lib/dpkg/"*-old
rm -f "$1/var/lib/dpkg/lock" "$1/var/lib/dpkg/lock-frontend" "$1/var/lib/dpkg/triggers/Lock"
`;
