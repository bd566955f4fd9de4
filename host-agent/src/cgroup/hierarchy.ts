import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** Controllers that bound a microVM. */
export const CONTROLLERS = ["memory", "cpu", "pids"] as const;

/** Controllers that share out what a microVM may use, or say which devices it may open, where they are. */
export const OPTIONAL_CONTROLLERS = { v1: ["blkio", "devices"], v2: ["io"] } as const;

/** A mounted hierarchy of control groups, and the group in it that this process belongs to. */
export interface Hierarchy {
  version: "v1" | "v2";
  mountPoint: string;
  /** Of a v1 hierarchy; for v2 they are in the files of each group. */
  controllers: string[];
  /** Path of this process's group below the mount point, such as /system.slice/warren.service. */
  own: string;
}

/** Hierarchies from the texts of /proc/self/mountinfo (proc(5)) and /proc/self/cgroup (cgroups(7)). */
export function parseHierarchies(mountinfo: string, cgroup: string): Hierarchy[] {
  const owns = new Map(
    cgroup
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => {
        const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
        return [controllers ?? "", path ?? "/"] as const;
      }),
  );
  return mountinfo.split("\n").flatMap((line): Hierarchy[] => {
    const [before, after] = line.split(" - ");
    const [type, , options] = after?.split(" ") ?? [];
    const fields = before?.split(" ") ?? [];
    const [root, mountPoint] = [fields[3], fields[4]];
    if (root === undefined || mountPoint === undefined) return [];
    const place = (controllers: string, version: "v1" | "v2", list: string[]): Hierarchy[] => {
      const own = owns.get(controllers);
      if (own === undefined) return [];
      return [{ version, mountPoint: decodeOctal(mountPoint), controllers: list, own: below(root, own) }];
    };
    if (type === "cgroup2") return place("", "v2", []);
    if (type !== "cgroup") return [];
    return [...owns.keys()].flatMap((controllers) => {
      const list = controllers.split(",").filter((name) => name !== "" && !name.startsWith("name="));
      const mounted = list.length > 0 && list.every((name) => options?.split(",").includes(name));
      return mounted ? place(controllers, "v1", list) : [];
    });
  });
}

/** A group's path seen from a mount that shows only the tree below `root`, as in a container. */
function below(root: string, own: string): string {
  if (root === "/") return own;
  return own === root || own.startsWith(`${root}/`) ? join("/", own.slice(root.length)) : "/";
}

/** mountinfo writes space, tab, newline and backslash in octal. */
function decodeOctal(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** The hierarchies that this process sees. */
export async function readHierarchies(): Promise<Hierarchy[]> {
  const [mountinfo, cgroup] = await Promise.all([
    readFile("/proc/self/mountinfo", "utf8"),
    readFile("/proc/self/cgroup", "utf8"),
  ]);
  return parseHierarchies(mountinfo, cgroup);
}
