import { execFileSync } from "node:child_process";
import { linkSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { diskUsage } from "./disk-usage.ts";
import { temporaryFolder } from "./testing/temporary-folder.ts";

const duBytes = (...words: string[]) =>
  Number(execFileSync("du", ["--block-size=1", "--summarize", ...words], { encoding: "utf8" }).split("\t")[0]);

test("what a directory takes is what du says, with holes, links and many names of one file", async () => {
  const directory = temporaryFolder();
  mkdirSync(join(directory, "deep/er"), { recursive: true });
  writeFileSync(join(directory, "deep/er/a"), Buffer.alloc(300_000, 1));
  linkSync(join(directory, "deep/er/a"), join(directory, "b"));
  writeFileSync(join(directory, "sparse"), "x");
  truncateSync(join(directory, "sparse"), 1 << 30);
  symlinkSync("/usr", join(directory, "elsewhere"));
  for (let file = 0; file < 200; file++) writeFileSync(join(directory, "deep", String(file)), "x");
  const all = await diskUsage(directory);
  expect(all).toBe(duBytes(directory));
  expect(all).toBeGreaterThan(300_000);
  expect(await diskUsage(directory, [join(directory, "deep")])).toBe(
    all - duBytes(join(directory, "deep")) + duBytes(join(directory, "b")),
  );
  expect(await diskUsage(join(directory, "nothing"))).toBe(0);
});
