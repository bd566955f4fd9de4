import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { countSandboxes } from "./host.ts";
import { temporaryFolder } from "./linux/testing/temporary-folder.ts";

test("to count the sandboxes of a data directory that is not there makes nothing", async () => {
  const directory = temporaryFolder();
  expect(await countSandboxes(join(directory, "data"))).toEqual({});
  expect(readdirSync(directory)).toEqual([]);
});
