import { createHash } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromRpcError } from "@warren/control-plane/hosts/rpc-errors";
import { filesOfHost, type ReadFile, relayTemplate } from "@warren/control-plane/templates/template-relay";
import { newSandboxId } from "@warren/server/sandbox-id";
import { afterAll, beforeAll, expect, it } from "vitest";
import { WITHOUT_SPARES } from "./support/crash-rounds.ts";
import { HostAgentFixture } from "./support/host-agent.ts";
import { bundleFakeHostAgent } from "./support/stack.ts";
import { VolatileDisk } from "./support/volatile-disk.ts";

const TEAM = "00000000-0000-4000-8000-000000000001";
const MIB = 1024 * 1024;
/** Bytes that do not get smaller in a guest's memory, and on its disk. */
const CONTENT = 6 * MIB;

let disk: VolatileDisk;
let made: HostAgentFixture;
let here: HostAgentFixture;
/** What the second host keeps when no template has come to it. */
let before: string[];
beforeAll(async () => {
  const program = await bundleFakeHostAgent();
  disk = await VolatileDisk.make(400 * MIB);
  made = await HostAgentFixture.start(WITHOUT_SPARES, [], tmpdir(), program);
  // The disk itself says when it is full, not what is kept free of it.
  const settings = { ...WITHOUT_SPARES, WARREN_DISK_RESERVE_MB: "16" };
  here = await HostAgentFixture.start(settings, [], disk.directory, program);
  before = kept();
});
afterAll(async () => {
  await disk?.empty();
  await made?.dispose();
  await here?.dispose();
  await disk?.dispose();
});

const start = async (host: HostAgentFixture, template: string) => {
  const sandboxId = newSandboxId();
  await host.calls.createSandbox({ sandboxId, teamId: TEAM, spec: { template, vcpus: 1, memoryMb: 128 } });
  return sandboxId;
};
const shell = (host: HostAgentFixture, sandboxId: string, script: string) =>
  host.calls.exec({ sandboxId, command: { cmd: "sh", args: ["-c", script] }, maxOutputBytes: 100_000 });
const READ = "cmp content /dev/shm/content && head -c 50000 content";
const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** A template whose content is its own, on the host that made it. */
const make = async (name: string) => {
  const sandboxId = await start(made, "minimal");
  await shell(made, sandboxId, `head -c ${CONTENT} /dev/urandom | tee content >/dev/shm/content`);
  const content = digest((await shell(made, sandboxId, READ)).stdout);
  const { template } = await made.calls.createTemplate({ sandboxId, teamId: TEAM, name });
  await made.calls.destroySandbox({ sandboxId });
  const version = { teamId: TEAM, name, snapshotId: template!.snapshotId };
  const { bundle } = await made.calls.describeTemplate({ template: version });
  return { version, bundle, content };
};
type Made = Awaited<ReturnType<typeof make>>;

/** Brings a template to the second host; `event` happens once when more than `after` bytes have come in this attempt. */
const bring = async ({ version, bundle }: Made, after = Number.POSITIVE_INFINITY, event?: () => Promise<void>) => {
  const files = filesOfHost(made.calls, version);
  let came = 0;
  let skipped = 0;
  let happened: Promise<void> | undefined;
  const counting: ReadFile = async function* (want, signal) {
    skipped += Number(want.offset);
    for await (const chunk of files(want, signal)) {
      came += chunk.length;
      if (came > after) happened ??= event?.();
      await happened;
      yield chunk;
    }
  };
  const code = await relayTemplate(here.calls, { template: version, bundle }, counting).then(
    () => "done",
    (error: unknown) => fromRpcError(error).code as string,
  );
  await happened;
  return { code, came, skipped };
};

/** Files that the second host keeps. */
const kept = () =>
  ["sandboxes", "disks", "memory", "snapshots", "templates"]
    .map((store) => join(here.directory, store))
    .flatMap((store) => readdirSync(store, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .sort();
const expectNothing = async ({ version }: Made) => {
  expect((await here.calls.getHost({})).templates.map(({ name }) => name)).not.toContain(version.name);
  const refused = await start(here, version.name).catch((error: unknown) => fromRpcError(error).code);
  expect(refused).toBe("template_not_found");
  expect(kept()).toEqual(before);
};
/** Sees that the template starts with its content, and that all of it goes with it. */
const expectWhole = async ({ version, content }: Made) => {
  const sandboxId = await start(here, version.name);
  expect(digest((await shell(here, sandboxId, READ)).stdout)).toBe(content);
  await here.calls.destroySandbox({ sandboxId });
  await here.calls.deleteTemplate(version);
  await here.stop();
  await here.restart();
  expect(kept()).toEqual(before);
  const transfers = join(here.directory, "transfers");
  expect(existsSync(transfers) ? readdirSync(transfers) : []).toEqual([]);
};

it("a host that is killed again and again while a template comes has nothing of it, and goes on where it was", async () => {
  const template = await make("killed");
  let brought = 0;
  for (const share of [0.1, 0.4, 0.5]) {
    const { code, came } = await bring(template, share * CONTENT, () => here.kill());
    expect(code).not.toBe("done");
    brought += came;
    await here.restart();
    await expectNothing(template);
  }
  const last = await bring(template);
  expect(last.code).toBe("done");
  expect(last.skipped).toBeGreaterThan(0);
  expect(brought).toBeGreaterThan(CONTENT * 0.9);
  await expectWhole(template);
});

it("a host that is killed when all files have come has all of a template or nothing", async () => {
  const template = await make("placed");
  const files = filesOfHost(made.calls, template.version);
  const { files: all } = JSON.parse(template.bundle) as { files: { kind: string; sha256: string }[] };
  // The host wants them in their order, and has most of what it needs for the base already.
  const last = all.filter(({ kind }) => kind !== "base").at(-1)!.sha256;
  let killed: Promise<void> | undefined;
  const killing: ReadFile = async function* (want, signal) {
    yield* files(want, signal);
    if (want.sha256 === last) killed = here.kill();
  };
  await relayTemplate(here.calls, { template: template.version, bundle: template.bundle }, killing).catch(
    () => undefined,
  );
  expect(killed).toBeDefined();
  await killed;
  await here.restart();
  const { templates } = await here.calls.getHost({});
  if (!templates.some(({ name }) => name === "placed")) await expectNothing(template);
  expect((await bring(template)).code).toBe("done");
  await expectWhole(template);
});

it("a host that gives a template and is killed meanwhile gives the rest when it is back", async () => {
  const template = await make("given");
  const cut = await bring(template, CONTENT, () => made.kill());
  expect(cut.code).toBe("host_unavailable");
  await expectNothing(template);
  await made.restart();
  const rest = await bring(template);
  expect(rest.code).toBe("done");
  expect(rest.skipped).toBeGreaterThan(0);
  await expectWhole(template);
});

it("a disk that fills up while a template comes leaves nothing of it, and it comes once there is space", async () => {
  const template = await make("full");
  const cut = await bring(template, CONTENT / 2, () => disk.fill());
  expect(cut.code).toBe("host_disk_full");
  await disk.empty();
  await expectNothing(template);
  // Full to the last byte from the beginning, before anything is fetched.
  await disk.fill();
  expect(await bring(template)).toMatchObject({ code: "host_disk_full", came: 0 });
  await disk.empty();
  const rest = await bring(template);
  expect(rest.code).toBe("done");
  expect(rest.came).toBeLessThan(cut.came + 2 * CONTENT);
  await expectWhole(template);
});
