import { open, rm, writeFile } from "node:fs/promises";
import { WarrenError } from "@warren/contracts/errors";
import type { RunTool } from "./tool.ts";

export interface Ext4Options {
  /** Bytes of the file system. */
  size: number;
  /** Time of creation and of last change of every inode, in seconds since 1970. */
  epoch: number;
}

/** Options that decide the content of a file system; part of the key of an image. */
export const EXT4_OPTIONS: readonly string[] = [
  // Features by name, so that they do not follow the host's mke2fs.conf. With a journal a disk whose microVM was lost in
  // the middle of a write can be mounted again.
  "-O",
  "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum",
  "-b",
  "4096",
  "-I",
  "256",
  "-i",
  "16384",
  // MiB. Every block of the journal that a sandbox writes ends up in its delta: a small one bounds that.
  "-J",
  "size=16",
  // Per cent of the blocks that only root may use.
  "-m",
  "1",
  "-U",
  "7761726e-656e-4000-8000-000000000001",
  // Inode tables and journal are marked as zeroed, which a sparse file is: otherwise a kernel thread of the guest would
  // write zeros to them after the first mount, into the sandbox's delta.
  "-E",
  "hash_seed=7761726e-656e-4000-8000-000000000002,lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0",
];

/** The first inode that is not reserved (Linux, Documentation/filesystems/ext4/special_inodes.rst). */
const FIRST_INODE = 11;

/**
 * Makes a file with an ext4 file system from a directory, without mounting anything. Equal directories make equal bytes:
 * names, content, owners, modes, extended attributes and times of modification decide.
 */
export async function makeExt4(
  directory: string,
  image: string,
  options: Ext4Options,
  runTool: RunTool,
): Promise<void> {
  const file = await open(image, "wx", 0o644);
  try {
    await file.truncate(options.size);
  } finally {
    await file.close();
  }
  const env = {
    MKE2FS_CONFIG: "/dev/null",
    // The first is known to e2fsprogs before 1.47.1, the second to that and later.
    E2FSPROGS_FAKE_TIME: String(options.epoch),
    SOURCE_DATE_EPOCH: String(options.epoch),
  };
  await runTool("mkfs.ext4", ["-q", "-F", ...EXT4_OPTIONS, "-d", directory, image], {
    env,
    hint: "Is the disk full? df",
  });
  await setInodeTimes(image, options.epoch, env, runTool);
}

/** mkfs copies times of access and of status change from the directory, where nobody can choose the latter. */
async function setInodeTimes(
  image: string,
  epoch: number,
  env: Record<string, string>,
  runTool: RunTool,
): Promise<void> {
  const summary = await runTool("dumpe2fs", ["-h", image], { env });
  const count = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+)$`, "m").exec(summary)?.[1]);
  const last = count("Inode count") - count("Free inodes");
  // Inodes of a fresh file system are taken one after the other.
  const commands: string[] = [];
  for (let inode = FIRST_INODE; inode <= last; inode++) {
    for (const field of ["atime", "ctime"]) {
      commands.push(`set_inode_field <${inode}> ${field} @${epoch}`, `set_inode_field <${inode}> ${field}_extra 0`);
    }
    commands.push(`set_inode_field <${inode}> crtime_extra 0`, `set_inode_field <${inode}> mtime_extra 0`);
  }
  const script = `${image}.debugfs`;
  await writeFile(script, `${commands.join("\n")}\n`);
  const complaints: string[] = [];
  await runTool("debugfs", ["-w", "-f", script, image], {
    env,
    // debugfs ends with status 0 whatever happens; it echoes commands and says nothing of those that succeed.
    onLine: (line) => {
      if (!line.startsWith("debugfs")) complaints.push(line);
    },
  });
  await rm(script);
  if (complaints.length > 0) {
    throw new WarrenError(
      "image_build_failed",
      `debugfs could not set inode times: ${complaints.slice(0, 5).join("; ")}`,
    );
  }
}
