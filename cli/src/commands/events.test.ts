import { once } from "node:events";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { StandInServer } from "../testing/stand-in-server.ts";

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
  const server = await StandInServer.start((request, response) => {
    asked = request.url!;
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const [index, { name, data }] of EVENTS.entries()) {
      response.write(`id: p${index}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
    }
  });
  onTestFinished(() => server.close());
  const command = server.spawn("events", ...words);
  command.stderr.resume();
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
