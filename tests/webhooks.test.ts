import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Warren } from "@warren/sdk";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ControlPlaneProcess } from "../control-plane/src/testing/control-plane-process.ts";
import { Receiver } from "../control-plane/src/webhooks/testing/receiver.ts";
import { CACHE_DIRECTORY } from "./support/stack.ts";
import { run } from "./support/warren-command.ts";

/** Webhooks by the client library and the command line, as people use them. */

let dataDir: string;
let server: ControlPlaneProcess;
let receiver: Receiver;
let url: string;
let token: string;
let warren: Warren;

beforeAll(async () => {
  receiver = await Receiver.start();
  dataDir = await mkdtemp(join(tmpdir(), "warren-webhooks-"));
  server = new ControlPlaneProcess({
    WARREN_DATA_DIR: dataDir,
    WARREN_CACHE_DIR: CACHE_DIRECTORY,
    WARREN_EXIT_WITH_PARENT: "1",
    WARREN_WEBHOOK_ALLOW_PRIVATE: "127.0.0.1",
  });
  url = await server.url();
  const anybody = new Warren({ url });
  const ada = { email: "ada@example.org", password: "correct horse battery", name: "Ada" };
  token = (await anybody.signIn.signUp(ada)).token!;
  anybody.close();
  warren = new Warren({ url, sessionToken: token });
});
afterAll(async () => {
  warren?.close();
  await server?.kill();
  await receiver?.close();
  if (dataDir) await rm(dataDir, { recursive: true, force: true });
});

/** What `warren webhook` prints, and how it ends. */
async function webhook(...words: string[]) {
  const env = { WARREN_URL: url, WARREN_SESSION_TOKEN: token };
  const { status, stdout, stderr } = await run(["webhook", ...words], { env });
  return { status, stdout: stdout.toString(), stderr };
}

test("a webhook is made, tried, read of, changed and deleted by the client library", async () => {
  const { webhooks } = warren;
  const { secret, ...made } = await webhooks.create({
    name: "by library",
    url: `${receiver.url}/library`,
    events: ["*"],
  });
  expect(secret).toMatch(/^whsec_/);
  expect(await webhooks.list()).toEqual([made]);
  const tried = await webhooks.test(made.id);
  expect(tried).toMatchObject({ event: "test", status: "delivered", response: "ok" });
  expect(receiver.received.at(-1)).toMatchObject({ path: "/library", headers: { "webhook-id": tried.id } });
  expect(await webhooks.redeliver(made.id, tried.id)).toMatchObject({ id: tried.id, attempts: 2 });
  await webhooks.test(made.id);
  const first = await webhooks.deliveries(made.id, { limit: 1 });
  const second = await webhooks.deliveries(made.id, { limit: 1, cursor: first.next_cursor! });
  expect(second.items.map(({ id }) => id)).toEqual([tried.id]);
  const all: string[] = [];
  for await (const { id } of webhooks.allDeliveries(made.id, { status: "delivered" })) all.push(id);
  expect(all).toEqual([first.items[0]!.id, tried.id]);
  const rotated = await webhooks.rotateSecret(made.id);
  expect(rotated.secret).not.toBe(secret);
  expect(await webhooks.update(made.id, { enabled: false })).toMatchObject({ enabled: false });
  await webhooks.delete(made.id);
  await expect(webhooks.get(made.id)).rejects.toMatchObject({ code: "not_found" });
  await expect(warren.administration.webhooks.list()).rejects.toMatchObject({ code: "forbidden" });
});

test("the same by the command line, in tables and in JSON", async () => {
  const made = await webhook(
    "create",
    "chat",
    `${receiver.url}/chat`,
    "--events",
    "sandbox.*,team.*",
    "--format",
    "slack",
  );
  const [, id] = /(hook-\S+) +whsec_\S+/.exec(made.stdout)!;
  expect((await webhook("ls")).stdout).toMatch(new RegExp(`${id} +chat +on +slack +sandbox\\.\\*,team\\.\\* +http`));
  expect((await webhook("test", "chat")).stdout).toMatch(/dlv-\S+ +test +delivered +1 .* 200\n/);
  expect(JSON.parse(receiver.received.at(-1)!.body)).toEqual({ text: "A test of the webhook chat" });
  const listed = JSON.parse((await webhook("deliveries", "chat", "--json")).stdout);
  expect(listed).toMatchObject([{ event: "test", status: "delivered", response: "ok" }]);
  receiver.answer = (response) => response.writeHead(500).end("\u001b[2J");
  const refused = await webhook("redeliver", "chat", listed[0].id);
  receiver.answer = (response) => response.end("ok");
  expect(refused).toMatchObject({ status: 1, stdout: expect.stringMatching(/pending +2 .* 500\n/) });
  expect((await webhook("update", "chat", "--off", "--name", "quiet")).status).toBe(0);
  expect(JSON.parse((await webhook("ls", "--json")).stdout)).toMatchObject([{ id, name: "quiet", enabled: false }]);
  expect((await webhook("secret", "quiet")).stdout).toMatch(/^whsec_\S+\n$/);
  expect(await webhook("rm", "quiet", "gone")).toMatchObject({
    status: 1,
    stdout: "quiet\n",
    stderr: "warren: gone: There is no such webhook: gone (not_found)\n",
  });
  const foreign = await run(["webhook", "ls"], { env: { WARREN_URL: url, WARREN_API_KEY: "warren_x" } });
  expect(foreign).toMatchObject({ status: 1, stderr: expect.stringContaining("WARREN_SESSION_TOKEN") });
});
