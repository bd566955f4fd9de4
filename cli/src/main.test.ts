import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { NODE_FLAGS } from "@warren/server/node-flags";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";

const MAIN = join(import.meta.dirname, "main.ts");
const NOBODY = 65_534;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "warren-main-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
});

/** Environment without a server. */
const environment = () => ({ PATH: process.env.PATH, WARREN_DATA_DIR: directory });

/** Whether this test may become another user, who can read the program. */
function nobodyCanRun(): boolean {
  if (process.getuid?.() !== 0) return false;
  return spawnSync(process.execPath, [...NODE_FLAGS, "--check", MAIN], { uid: NOBODY, gid: NOBODY }).status === 0;
}

describe("the command line", () => {
  test("refuses words that are no UTF-8, which would arrive as others", () => {
    const words = (word: string) => {
      const script = `exec "$0" "$@" exec box -- printf %s "$(printf '${word}')"`;
      const options = { env: environment(), encoding: "utf8" } as const;
      return spawnSync("sh", ["-c", script, process.execPath, ...NODE_FLAGS, MAIN], options);
    };
    expect(words("\\377x")).toMatchObject({ status: 125, stderr: expect.stringContaining("not UTF-8") });
    expect(words("\\303\\274 \\357\\277\\275").stderr).toContain("No server");
  });

  test("ends quietly when nobody reads what it prints any more", async () => {
    const command = spawn(process.execPath, [...NODE_FLAGS, MAIN, "doctor", "--json"], { env: environment() });
    const ended = once(command, "close");
    const said = text(command.stderr);
    await once(command.stdout, "data");
    command.stdout.destroy();
    expect([await ended, await said]).toEqual([[141, null], ""]);
  });

  test("finds no server where the one that was announced has been killed", async () => {
    const killed = spawn("true");
    await once(killed, "exit");
    const announcement = JSON.stringify({ url: "http://127.0.0.1:1", pid: killed.pid });
    writeFileSync(join(directory, "server.json"), announcement);
    writeFileSync(join(directory, "credentials.json"), JSON.stringify({ api_key: "warren_x" }));
    const { status, stderr } = spawnSync(process.execPath, [...NODE_FLAGS, MAIN, "ps"], {
      env: environment(),
      encoding: "utf8",
    });
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining("No server") });
    expect(stderr).toMatch(/start one with '\S*warren up'.* --data-dir/);
  });

  test("says what a user lacks who may not look into the data directory", ({ skip }) => {
    skip(!nobodyCanRun(), "other users cannot run this Node");
    const hidden = join(directory, "hidden");
    mkdirSync(join(hidden, "data"), { recursive: true });
    chmodSync(hidden, 0o700);
    chmodSync(directory, 0o755);
    const options = { env: environment(), encoding: "utf8", uid: NOBODY, gid: NOBODY } as const;
    const { stdout, stderr } = spawnSync(
      process.execPath,
      [...NODE_FLAGS, MAIN, "doctor", "--data-dir", join(hidden, "data")],
      options,
    );
    expect(stderr).toBe("");
    expect(stdout).toMatch(/^fail +root /m);
    expect(readdirSync(hidden)).toEqual(["data"]);
  });
});
