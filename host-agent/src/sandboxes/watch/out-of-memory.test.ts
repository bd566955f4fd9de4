import { expect, test } from "vitest";
import { killedFor } from "./out-of-memory.ts";

test.each([
  [
    "[   12.345678] Out of memory: Killed process 812 (python3) total-vm:612345kB, anon-rss:412345kB, file-rss:0kB",
    { pid: 812, name: "python3" },
  ],
  [
    "[   12.3] Memory cgroup out of memory: Killed process 9 (a) b) total-vm:1kB, anon-rss:1kB",
    { pid: 9, name: "a) b" },
  ],
  ["[   12.3] Out of memory: Killed process 812 (python3)", undefined],
  ["Killed process 812 (python3) total-vm:1kB", undefined],
  ["Out of memory: Killed process x (python3) total-vm:1kB", undefined],
  ["", undefined],
])("%s", (line, killed) => {
  expect(killedFor(line)).toEqual(killed);
});
