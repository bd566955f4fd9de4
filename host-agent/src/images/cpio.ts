/** A member of a cpio archive. Owner is root, and the time of modification is 0. */
export type CpioEntry = {
  /** Path without a leading slash. */
  path: string;
  /** Permission bits, such as 0o755. */
  mode: number;
} & (
  | { type: "file"; data: Uint8Array }
  | { type: "directory" }
  | { type: "character-device"; major: number; minor: number }
);

/** File type bits of st_mode (inode(7)). */
const TYPE_BITS = { file: 0o100000, directory: 0o040000, "character-device": 0o020000 } as const;

const TRAILER = "TRAILER!!!";
const ALIGNMENT = 4;

/**
 * A cpio archive in the format "newc" (Linux, Documentation/driver-api/early-userspace/buffer-format.rst). Equal entries
 * make equal bytes, whatever their order: members are sorted by path, so that a directory comes before what is in it.
 */
export function cpioArchive(entries: readonly CpioEntry[]): Buffer {
  const sorted = [...entries].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  const parts: Uint8Array[] = [];
  for (const [index, entry] of sorted.entries()) {
    if (entry.path === sorted[index - 1]?.path) throw new RangeError(`${entry.path} is twice in the archive`);
    const data = entry.type === "file" ? entry.data : new Uint8Array();
    const device = entry.type === "character-device" ? entry : { major: 0, minor: 0 };
    parts.push(
      header({
        inode: index + 1,
        mode: TYPE_BITS[entry.type] | entry.mode,
        links: entry.type === "directory" ? 2 : 1,
        size: data.length,
        major: device.major,
        minor: device.minor,
        path: entry.path,
      }),
      data,
      padding(data.length),
    );
  }
  parts.push(header({ inode: 0, mode: 0, links: 1, size: 0, major: 0, minor: 0, path: TRAILER }));
  return Buffer.concat(parts);
}

interface Header {
  inode: number;
  mode: number;
  links: number;
  size: number;
  /** Device that a device node stands for. */
  major: number;
  minor: number;
  path: string;
}

function header({ inode, mode, links, size, major, minor, path }: Header): Buffer {
  const name = Buffer.from(`${path}\0`);
  // In order: inode, mode, uid, gid, links, time, size, device (major, minor), device node (major, minor), bytes of the
  // name, checksum (unused in this format).
  const fields = [inode, mode, 0, 0, links, 0, size, 0, 0, major, minor, name.length, 0].map(hexadecimal);
  const head = Buffer.concat([Buffer.from(`070701${fields.join("")}`), name]);
  return Buffer.concat([head, padding(head.length)]);
}

function hexadecimal(value: number): string {
  if (value > 0xffffffff) throw new RangeError(`${value} does not fit the 32 bits of a cpio field`);
  return value.toString(16).toUpperCase().padStart(8, "0");
}

function padding(length: number): Uint8Array {
  return new Uint8Array((ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT);
}
