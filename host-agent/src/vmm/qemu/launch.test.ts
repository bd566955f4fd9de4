import { closeSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../linux/testing/temporary-folder.ts";
import { listenUnix, mkfifo } from "../../linux/unix-sockets.ts";
import { Console } from "../console.ts";
import { reconnect } from "./launch.ts";
import { QmpClient } from "./qmp.ts";

test("a process that ends before it takes its connections breaks them, and nothing else", async () => {
  const directory = temporaryFolder();
  mkfifo(join(directory, "stderr"), 0o600);
  const listening = ["qmp.sock", "console.sock"].map((name) => listenUnix(join(directory, name)));
  const { qmp, console, stderr } = await reconnect(directory);
  for (const socket of [qmp, console]) socket.resume();
  for (const fd of listening) closeSync(fd);
  await expect.poll(() => qmp.closed && console.closed).toBe(true);
  // Whoever begins to use them then is told so.
  await expect(QmpClient.handshake(qmp)).rejects.toMatchObject({ code: "agent_error" });
  await new Console(console).closed;
  stderr.close();
});
