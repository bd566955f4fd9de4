import { randomUUID } from "node:crypto";
import { DEFAULT_SPEC } from "@warren/contracts/rest/sandbox-spec";
import type { SandboxStatus } from "@warren/contracts/rest/sandboxes";
import { newSandboxId } from "@warren/server/sandbox-id";
import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Database, openDatabase } from "../database/database.ts";
import { testDatabase } from "../database/testing/test-database.ts";
import { transact } from "../database/transact.ts";
import { createLogger } from "../logging.ts";
import { storedSpec } from "../sandboxes/sandbox-spec.ts";
import { TeamStore } from "../teams/team-store.ts";
import { type Demand, PLACEMENT_ORDERS, placementQuery } from "./placement-query.ts";
import { HostScheduler } from "./scheduler.ts";

describe("scheduler", () => {
  const fixture = testDatabase();
  let database: Database;
  let teamId: string;
  let byocTeam: string;

  beforeAll(async () => {
    database = await openDatabase(fixture().config, createLogger("silent"));
    teamId = await new TeamStore(database.db).insert("Team");
    byocTeam = await new TeamStore(database.db).insert("BYOC");
    await database.db.updateTable("teams").set({ is_byoc: true }).where("id", "=", byocTeam).execute();
  });
  afterAll(() => database.close());
  beforeEach(async () => {
    await database.db.deleteFrom("sandboxes").execute();
    await database.db.deleteFrom("hosts").execute();
  });

  interface HostFields {
    status?: "online" | "unreachable" | "draining" | "offline";
    type?: "regular" | "byoc";
    team_id?: string | null;
    cpu_cores?: number;
    tags?: string[];
    /** The most that it takes. */
    sandboxes?: number;
    memoryMb?: number;
  }

  /** Makes hosts that are alike; their UUIDs. */
  async function addHosts(count: number, fields: HostFields = {}): Promise<string[]> {
    const { tags = [], sandboxes = 100, memoryMb = 100_000, ...columns } = fields;
    const load = { sandboxes_limit: sandboxes, memory_mb_limit: memoryMb };
    const ids = Array.from({ length: count }, () => randomUUID());
    const rows = ids.map((id) => ({
      id,
      address: `http://127.0.0.1:1/${id}`,
      status: "online" as const,
      team_id: null,
      created_by: null,
      metadata: JSON.stringify({ load }),
      ...columns,
    }));
    await database.db.insertInto("hosts").values(rows).execute();
    const tagged = ids.flatMap((host_id) => tags.map((tag) => ({ host_id, tag })));
    if (tagged.length > 0) await database.db.insertInto("host_tags").values(tagged).execute();
    return ids;
  }

  /** Places a sandbox as the service does; the UUID of its host. */
  async function place(
    scheduler: HostScheduler,
    demand: Partial<Demand> = {},
    status: SandboxStatus = "pending",
  ): Promise<string> {
    const wanted = { teamId, memoryMb: 512, ...demand };
    return transact(database.db, async (transaction) => {
      const host = await scheduler.place(wanted, transaction);
      const spec = storedSpec({ ...DEFAULT_SPEC, memory_mb: wanted.memoryMb });
      const row = { id: newSandboxId(), team_id: wanted.teamId, host_id: host.id, status, spec };
      await transaction.insertInto("sandboxes").values(row).execute();
      return host.id;
    });
  }

  const loads = () => database.db.selectFrom("sandboxes").select("host_id").execute();
  /** How many sandboxes are on each host, the emptiest first. */
  async function spread(): Promise<number[]> {
    const counts = new Map<string | null, number>();
    for (const { host_id } of await loads()) counts.set(host_id, (counts.get(host_id) ?? 0) + 1);
    return [...counts.values()].sort((a, b) => a - b);
  }

  it("takes hosts in turn", async () => {
    const hosts = await addHosts(3);
    const scheduler = new HostScheduler("round-robin");
    const taken: string[] = [];
    for (let turn = 0; turn < 6; turn++) taken.push(await place(scheduler));
    expect(new Set(taken.slice(0, 3))).toEqual(new Set(hosts));
    expect(taken.slice(3)).toEqual(taken.slice(0, 3));
  });

  it("takes the host of whose room the smallest part is taken", async () => {
    const [small] = await addHosts(1, { memoryMb: 4096 });
    const [large] = await addHosts(1, { memoryMb: 16_384 });
    const scheduler = new HostScheduler("least-loaded");
    const taken: string[] = [];
    for (let turn = 0; turn < 10; turn++) taken.push(await place(scheduler, { memoryMb: 1024 }));
    expect(taken.filter((id) => id === small)).toHaveLength(2);
    expect(taken.filter((id) => id === large)).toHaveLength(8);
  });

  it("counts four virtual CPUs of a processor as full", async () => {
    const [busy] = await addHosts(1, { cpu_cores: 1 });
    const [idle] = await addHosts(1, { cpu_cores: 4 });
    const scheduler = new HostScheduler("least-loaded");
    const taken: string[] = [];
    for (let turn = 0; turn < 5; turn++) taken.push(await place(scheduler));
    expect([taken.filter((id) => id === busy).length, taken.filter((id) => id === idle).length]).toEqual([1, 4]);
  });

  it.each(PLACEMENT_ORDERS)("spreads a burst over hosts and overfills none (%s)", async (order) => {
    await addHosts(4, { sandboxes: 5 });
    const scheduler = new HostScheduler(order);
    const burst = await Promise.allSettled(Array.from({ length: 30 }, () => place(scheduler)));
    const refused = burst.filter((result) => result.status === "rejected");
    expect(refused.map(({ reason }) => reason.code)).toEqual(new Array(10).fill("host_full"));
    expect(await spread()).toEqual([5, 5, 5, 5]);
  });

  it("fills hosts by memory to the last sandbox that fits, and says when all are full", async () => {
    await addHosts(2, { memoryMb: 1500 });
    const scheduler = new HostScheduler("least-loaded");
    for (let turn = 0; turn < 4; turn++) await place(scheduler);
    await expect(place(scheduler)).rejects.toMatchObject({
      code: "host_full",
      message: expect.stringContaining("all 2 hosts that may run it are full"),
    });
    await place(scheduler, { memoryMb: 476 });
  });

  it("has the room back of what is paused, over or removed, and of what was undone", async () => {
    await addHosts(1, { sandboxes: 1 });
    const scheduler = new HostScheduler("least-loaded");
    const { db } = database;
    for (const status of ["paused", "stopped", "error"] as const) {
      await place(scheduler);
      await expect(place(scheduler)).rejects.toMatchObject({ code: "host_full" });
      await db.updateTable("sandboxes").set({ status }).execute();
    }
    await place(scheduler);
    await db.deleteFrom("sandboxes").execute();
    // As when a control plane dies before it has placed the sandbox for good.
    const cut = transact(db, async (transaction) => {
      await scheduler.place({ teamId, memoryMb: 512 }, transaction);
      throw new Error("the control plane is gone");
    });
    await expect(cut).rejects.toThrow("is gone");
    await place(scheduler);
    // A paused sandbox takes room again when it is resumed.
    await db.updateTable("sandboxes").set({ status: "paused" }).execute();
    await db.updateTable("sandboxes").set({ status: "resuming" }).execute();
    await expect(place(scheduler)).rejects.toMatchObject({ code: "host_full" });
  });

  it("moves what a sandbox takes along with it", async () => {
    const [first, second] = await addHosts(2, { sandboxes: 1 });
    const scheduler = new HostScheduler("least-loaded");
    await place(scheduler, { refusedBy: [second!] });
    await database.db.updateTable("sandboxes").set({ host_id: second! }).execute();
    expect(await place(scheduler)).toBe(first);
  });

  it("keeps a team that brings its own hosts to those, and the others to the shared ones", async () => {
    const scheduler = new HostScheduler("round-robin");
    const [shared] = await addHosts(1);
    await expect(place(scheduler, { teamId: byocTeam })).rejects.toMatchObject({ code: "no_hosts_available" });
    const [own] = await addHosts(1, { type: "byoc", team_id: byocTeam });
    for (let turn = 0; turn < 2; turn++) {
      expect(await place(scheduler, { teamId: byocTeam })).toBe(own);
      expect(await place(scheduler)).toBe(shared);
    }
  });

  it.each(["unreachable", "draining", "offline"] as const)("places nothing on a host that is %s", async (status) => {
    await addHosts(1, { status });
    const scheduler = new HostScheduler("least-loaded");
    await expect(place(scheduler)).rejects.toMatchObject({ code: "no_hosts_available" });
    await database.db.updateTable("hosts").set({ status: "online" }).execute();
    await place(scheduler);
    await database.db.updateTable("hosts").set({ status }).execute();
    await expect(place(scheduler)).rejects.toMatchObject({ code: "no_hosts_available" });
  });

  it("takes only hosts that have all tags, and names one that none has", async () => {
    await addHosts(2, { tags: ["gpu"] });
    const [both] = await addHosts(1, { tags: ["gpu", "eu"] });
    await addHosts(1, { tags: ["us"] });
    await addHosts(1, { type: "byoc", team_id: byocTeam, tags: ["theirs"] });
    const scheduler = new HostScheduler("least-loaded");
    for (let turn = 0; turn < 3; turn++) expect(await place(scheduler, { tags: ["gpu", "eu", "gpu"] })).toBe(both);
    await expect(place(scheduler, { tags: ["gpu", "us"] })).rejects.toMatchObject({ code: "no_hosts_available" });
    for (const tag of ["no-such", "theirs"]) {
      await expect(place(scheduler, { tags: ["gpu", tag] })).rejects.toMatchObject({
        code: "not_found",
        message: expect.stringContaining(`host_tags: no host that the team may use has the tag "${tag}"`),
      });
    }
    await database.db.updateTable("hosts").set({ status: "unreachable" }).where("id", "=", both!).execute();
    await expect(place(scheduler, { tags: ["eu"] })).rejects.toMatchObject({
      code: "no_hosts_available",
      message: expect.stringContaining("no host with the tags eu is online"),
    });
  });

  it("takes only hosts that have what the sandbox is made of", async () => {
    await addHosts(3);
    const [holder] = await addHosts(1, { sandboxes: 2 });
    const holders = { hostIds: [holder!], what: 'the template "trained"' };
    const scheduler = new HostScheduler("least-loaded");
    expect(await place(scheduler, { holders })).toBe(holder);
    expect(await place(scheduler, { holders })).toBe(holder);
    await expect(place(scheduler, { holders })).rejects.toMatchObject({ code: "host_full" });
    for (const [status, words] of [
      ["unreachable", 'no host that has the template "trained" is online'],
      ["draining", "takes new sandboxes"],
    ] as const) {
      await database.db.updateTable("hosts").set({ status }).where("id", "=", holder!).execute();
      await expect(place(scheduler, { holders })).rejects.toMatchObject({
        code: "host_unavailable",
        message: expect.stringContaining(words),
      });
    }
  });

  it("avoids a host for a while, unless there is no other", async () => {
    const [first, second] = await addHosts(2);
    const scheduler = new HostScheduler("round-robin");
    scheduler.avoid(first!);
    for (let turn = 0; turn < 2; turn++) expect(await place(scheduler)).toBe(second);
    await database.db.updateTable("hosts").set({ status: "draining" }).where("id", "=", second!).execute();
    expect(await place(scheduler)).toBe(first);
  });

  describe("of many hosts", () => {
    beforeEach(async () => {
      await addHosts(1000);
      await addHosts(2, { tags: ["gpu"] });
      await sql`
        insert into sandboxes (id, team_id, host_id, spec, status)
        select 'sb' || translate(substr(md5(host.id::text || n), 1, 20), '0189', 'wxyz'), ${teamId}, host.id,
          ${storedSpec(DEFAULT_SPEC)}, 'running'
        from hosts as host cross join generate_series(1, 10) as n
      `.execute(database.db);
      await sql`analyze hosts, host_loads, host_tags, sandboxes, teams`.execute(database.db);
    });

    const demands: [string, Partial<Demand>][] = [
      ["any", {}],
      ["tags", { tags: ["gpu"] }],
      ["holders", { holders: { hostIds: [randomUUID(), randomUUID()], what: "the template" } }],
    ];
    const cases = PLACEMENT_ORDERS.flatMap((order) => demands.map(([what, demand]) => ({ order, what, demand })));
    it.each(cases)("reads by indexes ($order, $what)", async ({ order, demand }) => {
      const search = { among: "free" as const, without: [] };
      const query = placementQuery(order, { teamId, memoryMb: 512, ...demand }, search);
      const { rows } = await sql<{ "QUERY PLAN": string }>`explain ${query}`.execute(database.db);
      const plan = rows.map((row) => row["QUERY PLAN"]).join("\n");
      expect(plan).toMatch(/Index Scan using \w+ on host_loads load/);
      expect(plan).not.toMatch(/Seq Scan on (?!host_tags|teams)/);
    });
  });
});
