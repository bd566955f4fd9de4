import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pino } from "pino";
import { afterAll, afterEach, beforeAll, expect, it, vi } from "vitest";
import { GuestClient } from "../../guest/client.ts";
import { GuestCommands } from "../../guest/commands.ts";
import { FakeGuest } from "../../guest/testing/fake-guest.ts";
import { head } from "../../guest/testing/frames.ts";
import { openHost } from "../../host.ts";
import { ensureImages } from "../../images/ensure.ts";
import type { BootImages } from "../../images/images.ts";
import { readSettings } from "../../settings.ts";
import type { Sandbox } from "../state/sandbox.ts";
import { newSandbox } from "../testing/new-sandbox.ts";

const IMAGES = resolve(process.env.WARREN_TEST_IMAGES ?? "/var/lib/warren/images");
/** Milliseconds for which the client waits for an answer: longer than a test may take. */
const FOR_EVER = 3_600_000;

let boot: BootImages;
let directory: string;
let host: Awaited<ReturnType<typeof openHost>>;
let fake: FakeGuest | undefined;
let made = 0;

async function openAnew(warmPool = 0): Promise<void> {
  host = await openHost({
    dataDirectory: directory,
    settings: { ...readSettings({}), spareSlots: 0, warmPool },
    images: { directory: IMAGES, boot },
    log: pino({ level: "silent" }),
  });
}
async function close(end: "destroyAll" | "release"): Promise<void> {
  await host.sandboxes[end]();
  await host.slots.close();
}

beforeAll(async () => {
  const sourceRoot = resolve(import.meta.dirname, "../../../..");
  boot = await ensureImages({ directory: IMAGES, sourceRoot, withNode: false, progress: () => undefined });
  directory = await mkdtemp(join(tmpdir(), "warren-silent-"));
  await openAnew();
});
afterEach(() => {
  vi.restoreAllMocks();
  fake?.close();
});
afterAll(async () => {
  await close("destroyAll");
  await rm(directory, { recursive: true, force: true });
});

/** A guest that answers all but requests to `silentAt`; the promise resolves when the first of those has come. */
async function silentAt(path: string): Promise<{ guest: GuestClient; asked: Promise<void> }> {
  const asked = Promise.withResolvers<void>();
  fake = await FakeGuest.start((socket, request) => {
    if (request.startsWith(`POST ${path} `)) asked.resolve();
    else socket.end(head("text/plain", "204 No Content"));
  });
  return { guest: fake.client(FOR_EVER), asked: asked.promise };
}

function create() {
  made += 1;
  return host.sandboxes.create(newSandbox(`sb${"abcdefghij"[made]?.repeat(20)}`));
}

/** Destroys a sandbox whose guest is waited for by an operation, which then ends without it. */
async function destroyOnce(asked: Promise<void>, { id }: Sandbox, operation: Promise<unknown>): Promise<void> {
  const ended = Promise.allSettled([operation]);
  await asked;
  await host.sandboxes.destroy(id);
  expect(await ended).toMatchObject([{ status: "rejected", reason: { code: "not_found" } }]);
}

it.each(["/freeze", "/unfreeze"])(
  "a sandbox whose agent is silent at %s can be destroyed during a snapshot",
  async (path) => {
    const sandbox = await create();
    const { guest, asked } = await silentAt(path);
    sandbox.live!.guest = guest;
    const snapshot = host.sandboxes.createTemplate(sandbox.id, "team", "silent", false);
    await destroyOnce(asked, sandbox, snapshot);
    expect(sandbox.live).toBeUndefined();
    expect(host.sandboxes.listTemplates()).toEqual([]);
  },
);

it("a sandbox whose agent is silent at /freeze can be destroyed during a pause", async () => {
  const sandbox = await create();
  const { guest, asked } = await silentAt("/freeze");
  sandbox.live!.guest = guest;
  await destroyOnce(asked, sandbox, host.sandboxes.pause(sandbox.id));
});

it("a sandbox whose agent does not confirm its identity can be destroyed during a resume", async () => {
  const sandbox = await create();
  await host.sandboxes.pause(sandbox.id);
  const { guest, asked } = await silentAt("/init");
  vi.spyOn(GuestClient.prototype, "init").mockImplementation((...of) => {
    vi.restoreAllMocks();
    return guest.init(of[0], FOR_EVER, of[2]);
  });
  await destroyOnce(asked, sandbox, host.sandboxes.resume(sandbox.id));
});

it("a sandbox whose agent is silent keeps the host agent neither from ending nor from starting", async () => {
  const sandbox = await create();
  const silent = await silentAt("/unfreeze");
  sandbox.live!.guest = silent.guest;
  const snapshot = Promise.allSettled([host.sandboxes.createTemplate(sandbox.id, "team", "silent", false)]);
  await silent.asked;
  await close("release");
  await snapshot;
  const { unfreeze } = GuestClient.prototype;
  const asked = Promise.withResolvers<void>();
  vi.spyOn(GuestClient.prototype, "unfreeze").mockImplementation((signal) => {
    asked.resolve();
    return unfreeze.call(silent.guest, signal);
  });
  await openAnew();
  expect(host.sandboxes.get(sandbox.id).status).toBe("running");
  await asked.promise;
  await host.sandboxes.destroy(sandbox.id);
});

it("a sandbox that never becomes ready keeps the host agent from ending no more", async () => {
  await close("destroyAll");
  await openAnew(1);
  const { guest, asked } = await silentAt("/process.Process/Start");
  const { run } = GuestCommands.prototype;
  vi.spyOn(GuestCommands.prototype, "run").mockImplementation((...of) => run.apply(guest.commands, of));
  await create();
  await asked;
  await host.sandboxes.destroyAll();
  expect(await readdir(join(directory, "sandboxes"))).toEqual([]);
});
