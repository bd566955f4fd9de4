import { expect, test } from "vitest";
import { parseMaps } from "./memory-mapping.ts";

test("lines of files are read, those without a file are left out", () => {
  const text = [
    "55d7894e8000-55d7894e9000 rw-p 00000000 00:00 0                          [heap]",
    "7f4647e00000-7f4657e00000 rw-p 00000000 fe:00 2361                       /data/a name (deleted)",
    "7f4657e00000-7f4657e01000 r--s 10000000 00:2f 2361 /data/memory",
    "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]",
    "",
  ].join("\n");
  expect(parseMaps(text)).toEqual([
    {
      range: "7f4647e00000-7f4657e00000",
      start: 0x7f4647e00000n,
      end: 0x7f4657e00000n,
      offset: 0n,
      inode: 2361n,
      name: "/data/a name (deleted)",
    },
    {
      range: "7f4657e00000-7f4657e01000",
      start: 0x7f4657e00000n,
      end: 0x7f4657e01000n,
      offset: 0x10000000n,
      inode: 2361n,
      name: "/data/memory",
    },
  ]);
});
