import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { isSocketPath, requireSocketPath, SOCKET_PATH_BYTES } from "./socket-path.ts";

test("the longest path that a socket may have is one at which a server can listen", async () => {
  const directory = await mkdtemp(join(tmpdir(), "warren-socket-path-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const longest = `${directory}/é`.padEnd(SOCKET_PATH_BYTES - 1, "x");
  expect(() => requireSocketPath(longest)).not.toThrow();
  const server = createServer().listen(longest);
  onTestFinished(() => void server.close());
  await once(server, "listening");

  expect(isSocketPath(`${longest}x`)).toBe(false);
  expect(() => requireSocketPath(`${longest}x`)).toThrow(/too long for a socket .*; choose a shorter one/);
});
