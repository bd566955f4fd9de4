import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WarrenError } from "@warren/contracts/errors";
import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startControlPlane } from "../control-plane.ts";
import { testDatabase } from "../database/testing/test-database.ts";
import { DOUBLE_REPORT } from "../hosts/testing/double-membership.ts";
import { HostAgentDouble } from "../hosts/testing/host-agent-double.ts";
import { createLogger } from "../logging.ts";
import { SecretKeys } from "../secrets/secret-keys.ts";
import { send } from "../testing/person.ts";
import { errorOf, TestStack } from "../testing/test-stack.ts";

/** A host besides that of a stack. */
interface OtherHost {
  id: string;
  double: HostAgentDouble;
}

describe("sandboxes on several hosts", () => {
  const database = testDatabase();
  let stack: TestStack;
  let client: pg.Client;
  let others: OtherHost[] = [];

  beforeAll(async () => {
    // Of control planes on one database.
    const secretKeys = SecretKeys.parse(randomBytes(32).toString("base64"));
    stack = await TestStack.start(database(), { config: { secretKeys } });
    client = new pg.Client({ connectionString: database().config.databaseUrl });
    await client.connect();
  });
  afterAll(async () => {
    await client?.end();
    await stack?.close();
  });
  beforeEach(async () => {
    stack.host.onCreate = () => undefined;
    await rest(stack.host, false);
    others = [await addHost(), await addHost()];
  });
  afterEach(async () => {
    for (const { id, double } of others) {
      await client.query("delete from sandboxes where host_id = $1", [id]);
      await client.query("delete from hosts where id = $1", [id]);
      await double.close();
    }
  });

  async function addHost(): Promise<OtherHost> {
    const double = await HostAgentDouble.start();
    const { rows } = await client.query(
      "insert into hosts (id, address, status, last_heartbeat_at) values (gen_random_uuid(), $1, 'online', now()) returning id",
      [double.address],
    );
    return { id: rows[0].id, double };
  }

  /** Takes the host of the stack out of service, or back. */
  async function rest(host: HostAgentDouble, isResting: boolean): Promise<void> {
    const status = isResting ? "draining" : "online";
    await client.query("update hosts set status = $1 where address = $2", [status, host.address]);
  }

  const create = (request: object = {}, url = stack.url) =>
    send(url, "POST", "/v1/sandboxes", { headers: { "x-api-key": stack.apiKey }, body: request });
  const doubles = () => [stack.host, ...others.map(({ double }) => double)];
  const full = () => {
    throw new WarrenError("host_full", "64 of 64 MiB of guest memory are promised");
  };

  it("go to the next host when one says that it is full", async () => {
    const [first, second] = others;
    await rest(stack.host, true);
    first!.double.onCreate = full;
    for (let turn = 0; turn < 3; turn++) {
      const { id } = await stack.createSandbox();
      expect(second!.double.guests.has(id)).toBe(true);
      expect((await stack.call("POST", `/v1/sandboxes/${id}/ping`)).status).toBe(204);
    }
  });

  it("go to the next host when one is not reached, which is then left alone for a while", async () => {
    const [first, second] = others;
    await rest(stack.host, true);
    await first!.double.hangUp();
    for (let turn = 0; turn < 3; turn++) {
      const { id } = await stack.createSandbox();
      expect(second!.double.guests.has(id)).toBe(true);
    }
  });

  it("stay where they may have been started when the answer of the host is lost", async () => {
    await rest(stack.host, true);
    const asked: string[] = [];
    for (const { double } of others) {
      double.onCreate = async ({ sandboxId }) => {
        asked.push(sandboxId);
        await double.hangUp();
      };
    }
    expect(await errorOf(await create())).toMatchObject({ status: 503, code: "host_unavailable" });
    expect(asked).toHaveLength(1);
  });

  it("are refused with the words of the host when each is full, and no host is asked for long", async () => {
    others.push(await addHost(), await addHost(), await addHost());
    const asked: string[] = [];
    for (const double of doubles()) {
      double.onCreate = ({ sandboxId }) => {
        asked.push(sandboxId);
        full();
      };
    }
    const message = expect.stringContaining("64 of 64 MiB");
    expect(await errorOf(await create())).toEqual({ status: 503, code: "host_full", message });
    expect(asked).toHaveLength(4);
    expect(new Set(asked).size).toBe(1);
  });

  it("run on hosts with the tags that they ask for, and say so", async () => {
    const [, gpu] = others;
    await client.query("insert into host_tags (host_id, tag) values ($1, 'gpu')", [gpu!.id]);
    const sandbox = await stack.createSandbox({ host_tags: ["gpu"] });
    expect(gpu!.double.guests.has(sandbox.id)).toBe(true);
    expect(sandbox.host_tags).toEqual(["gpu"]);
    const fork = await stack.call("POST", `/v1/sandboxes/${sandbox.id}/fork`, {});
    expect(await fork.json()).toMatchObject([{ sandbox: { host_tags: ["gpu"] } }]);

    expect(await errorOf(await create({ host_tags: ["gpu", "tpu"] }))).toEqual({
      status: 404,
      code: "not_found",
      message: 'body/host_tags: no host that the team may use has the tag "tpu"',
    });
    expect(await errorOf(await create({ host_tags: ["no tag"] }))).toMatchObject({
      status: 400,
      message: expect.stringContaining("body/host_tags/0 must be 1 to 63 letters"),
    });
    await client.query("update hosts set status = 'unreachable' where id = $1", [gpu!.id]);
    expect(await errorOf(await create({ host_tags: ["gpu"] }))).toMatchObject({
      status: 503,
      code: "no_hosts_available",
    });
  });

  it("are neither copied on a host that drains nor resumed on one that is out of service", async () => {
    const { id } = await stack.createSandbox();
    await client.query("update hosts set status = 'draining'");
    const fork = await stack.call("POST", `/v1/sandboxes/${id}/fork`, {});
    const message = expect.stringContaining("takes no new sandboxes");
    expect(await errorOf(fork)).toEqual({ status: 503, code: "host_unavailable", message });
    const act = (action: string) => stack.call("POST", `/v1/sandboxes/${id}/${action}`, {});
    for (const action of ["pause", "resume", "pause"]) expect((await act(action)).status).toBe(200);

    await client.query("update hosts set status = 'offline'");
    expect(await errorOf(await act("resume"))).toMatchObject({
      status: 503,
      code: "host_unavailable",
      message: expect.stringContaining("out of service"),
    });
    await client.query("update hosts set status = 'online'");
    expect((await act("resume")).status).toBe(200);
  });

  it("never overfill a host, whichever of two control planes places them", async () => {
    const dataDir = await mkdtemp(join(tmpdir(), "warren-second-"));
    const replica = await startControlPlane({ ...stack.config, dataDir }, createLogger("silent"));
    try {
      others.push(await addHost());
      const load = { ...NO_LOAD, sandboxes_limit: 4 };
      await client.query("delete from sandboxes");
      await client.query("update hosts set status = 'online', metadata = $1", [{ ...DOUBLE_REPORT, load }]);
      const running = new Map<HostAgentDouble, number>();
      for (const host of doubles()) {
        host.onCreate = () => {
          const now = (running.get(host) ?? 0) + 1;
          running.set(host, now);
          if (now > 4) full();
        };
      }
      const burst = Array.from({ length: 24 }, (_, n) => create({}, n % 2 ? stack.url : replica.url));
      const answers = await Promise.all(burst);
      const refused = answers.filter(({ status }) => status !== 201);
      expect(refused).toHaveLength(8);
      for (const answer of refused) {
        const message = expect.stringContaining("all 4 hosts that may run it are full");
        expect(await errorOf(answer)).toEqual({ status: 503, code: "host_full", message });
      }
      // Nobody was sent to a host that was full.
      expect([...running.values()]).toEqual([4, 4, 4, 4]);
    } finally {
      await replica.close();
      await rm(dataDir, { recursive: true });
    }
  });
});

const NO_LOAD = {
  running: 0,
  paused: 0,
  sandboxes_limit: 0,
  memory_mb_taken: 0,
  memory_mb_limit: 100_000,
  disk_mb_left: 1000,
  cpu_load: 0,
};
