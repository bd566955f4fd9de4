import { expect, test } from "vitest";
import { parseHierarchies } from "./hierarchy.ts";

test("a host with version 2 only", () => {
  const mountinfo = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate";
  expect(parseHierarchies(mountinfo, "0::/system.slice/warren.service\n")).toEqual([
    { version: "v2", mountPoint: "/sys/fs/cgroup", controllers: [], own: "/system.slice/warren.service" },
  ]);
});

test("a host with both, whose controllers are mounted alone and together", () => {
  const mountinfo = [
    "20 19 0:20 / /proc rw - proc proc rw",
    "31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:5 - cgroup cgroup rw,cpu,cpuacct",
    "32 30 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
    "33 30 0:29 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd",
    "34 30 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
  ].join("\n");
  const cgroup = "4:memory:/jobs/7\n3:cpu,cpuacct:/\n1:name=systemd:/init.scope\n0::/\n";
  expect(parseHierarchies(mountinfo, cgroup)).toEqual([
    { version: "v1", mountPoint: "/sys/fs/cgroup/cpu,cpuacct", controllers: ["cpu", "cpuacct"], own: "/" },
    { version: "v1", mountPoint: "/sys/fs/cgroup/memory", controllers: ["memory"], own: "/jobs/7" },
    { version: "v2", mountPoint: "/sys/fs/cgroup/unified", controllers: [], own: "/" },
  ]);
});

test("a container whose mount shows its own part of the tree, at a path with a space", () => {
  const mountinfo = "32 30 0:28 /docker/abc /sys/fs/cg\\040roup rw - cgroup cgroup rw,memory";
  expect(parseHierarchies(mountinfo, "4:memory:/docker/abc/job\n")).toEqual([
    { version: "v1", mountPoint: "/sys/fs/cg roup", controllers: ["memory"], own: "/job" },
  ]);
});

test("lines that are cut off mean nothing", () => {
  expect(parseHierarchies("32 30 0:28\n- cgroup\n\n", "rubbish\n")).toEqual([]);
});
