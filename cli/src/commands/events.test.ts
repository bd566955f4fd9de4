import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { NODE_FLAGS } from "@warren/server/node-flags";
import { expect, onTestFinished, test } from "vitest";

const MAIN = join(import.meta.dirname, "../main.ts");
const AT = "2026-01-01T00:00:00.000Z";
const SANDBOX = { type: "sandbox", action: "changed", id: "sbaaaaaaaaaaaaaaaaaaaa", status: "paused", at: AT };
const EVENTS = [
  { name: "ready", data: { types: ["sandbox", "template"], resumed: false } },
  { name: "sandbox", data: { ...SANDBOX, resource: { name: "bo\u001b[31mx" } } },
  { name: "template", data: { type: "template", action: "deleted", id: "mine", at: AT } },
];

/** What the command prints until it is interrupted, and how it ends. */
async function follow(words: string[]): Promise<{ lines: string[]; asked: string; signal: NodeJS.Signals | null }> {
  let asked = "";
  const server = createServer((request, response) => {
    asked = request.url!;
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const [index, { name, data }] of EVENTS.entries()) {
      response.write(`id: p${index}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const env = { PATH: process.env.PATH, WARREN_URL: url, WARREN_API_KEY: "warren_key" };
  const command = spawn(process.execPath, [...NODE_FLAGS, MAIN, "events", ...words], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let printed = "";
  command.stdout.on("data", (chunk) => {
    printed += chunk;
    if (printed.includes("mine")) command.kill("SIGINT");
  });
  const [output, [, signal]] = await Promise.all([text(command.stdout), once(command, "exit")]);
  return { lines: output.trimEnd().split("\n"), asked, signal };
}

test("events prints a line for each change, which steers no terminal, until it is interrupted", async () => {
  const { lines, asked, signal } = await follow(["--types", "sandbox,template", "--after", "p"]);
  expect(lines).toEqual([
    `${AT}  sandbox  changed  ${SANDBOX.id}  paused  "bo\\u001b[31mx"`,
    `${AT}  template  deleted  mine`,
  ]);
  expect(asked).toBe("/v1/events?types=sandbox%2Ctemplate&after=p");
  expect(signal).toBe("SIGINT");
});

test("events --json prints all of it, with the position to go on from", async () => {
  const { lines } = await follow(["--json"]);
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { type: "ready", ...EVENTS[0]!.data, position: "p0" },
    { ...EVENTS[1]!.data, position: "p1" },
    { ...EVENTS[2]!.data, position: "p2" },
  ]);
});
