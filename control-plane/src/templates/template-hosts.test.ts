import { WarrenError } from "@warren/contracts/errors";
import type { HeldTemplate, HostDeletePreview, HostDetails, NewHost } from "@warren/contracts/rest/hosts";
import type { Sandbox } from "@warren/contracts/rest/sandboxes";
import type { Template } from "@warren/contracts/rest/templates";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { testDatabase } from "../database/testing/test-database.ts";
import { DOUBLE_REPORT } from "../hosts/testing/double-membership.ts";
import { HostAgentDouble } from "../hosts/testing/host-agent-double.ts";
import { fromWireId } from "../identifiers/wire-id.ts";
import { expectJson, expectStatus, Person, startAdminStack } from "../testing/person.ts";
import { errorOf, type TestStack } from "../testing/test-stack.ts";

describe("hosts that have templates", () => {
  const database = testDatabase();
  let stack: TestStack;
  let admin: Person;
  let ada: Person;
  let second: HostAgentDouble;
  let db: pg.Pool;
  beforeAll(async () => {
    ({ stack, admin } = await startAdminStack(database()));
    db = new pg.Pool({ connectionString: database().config.databaseUrl });
    second = await HostAgentDouble.start();
    const { host, registration_token: token } = await expectJson<NewHost>(
      await admin.call("POST", "/v1/hosts", { type: "regular" }),
      201,
    );
    const request = { controlPlaneUrl: stack.url, hostId: host.id, token };
    await second.membership.join({ ...request, $typeName: "hostagent.v1.JoinControlPlaneRequest" }, second.address);
    ada = await Person.signUp(stack);
  });
  afterAll(async () => {
    await db?.end();
    await second?.close();
    await stack?.close();
  });

  /** A sandbox on a certain host, while it seems to be the only one. */
  const on = async (double: HostAgentDouble): Promise<Sandbox> => {
    for (;;) {
      await db.query("update hosts set status = 'unreachable' where address <> $1", [double.address]);
      const sandbox = await expectJson<Sandbox>(await ada.call("POST", "/v1/sandboxes", {}), 201);
      await db.query("update hosts set status = 'online'");
      if (double.guests.has(sandbox.id)) return sandbox;
    }
  };
  const make = async (double: HostAgentDouble, name: string, query = "") =>
    expectJson<Template>(
      await ada.call("POST", `/v1/snapshots${query}`, { sandbox_id: (await on(double)).id, name }),
      201,
    );
  const key = (name: string) => `${fromWireId("team", ada.teamId)}/${name}`;
  const held = (double: HostAgentDouble): HeldTemplate[] =>
    [...double.templates].map(([of, { snapshotId }]) => {
      const [team_id = "", name = ""] = of.split("/");
      return { team_id, name, snapshot_id: snapshotId };
    });
  /** A sign of life with what the host has. */
  const tell = async (double: HostAgentDouble, templates = held(double)) => {
    const report = { ...DOUBLE_REPORT, templates: [...DOUBLE_REPORT.templates, ...templates] };
    expect((await double.membership.heartbeat(report)).status).toBe(204);
  };
  const start = (template: string) => ada.call("POST", "/v1/sandboxes", { template });

  it("start sandboxes from it: each of them, and no other", async () => {
    await make(second, "spread");
    for (let count = 0; count < 3; count++) {
      const sandbox = await expectJson<Sandbox>(await start("spread"), 201);
      expect(second.guests.has(sandbox.id)).toBe(true);
    }
    // The other comes to have it too, and says so.
    stack.host.templates.set(key("spread"), second.templates.get(key("spread"))!);
    await tell(stack.host);
    const places = new Set<boolean>();
    while (places.size < 2) {
      const sandbox = await expectJson<Sandbox>(await start("spread"), 201);
      places.add(second.guests.has(sandbox.id));
    }
    const preview = await admin.get<HostDeletePreview>(
      `/v1/hosts/${second.membership.credentials!.host.id}/delete-preview`,
    );
    expect(preview.templates).not.toContain("spread");
  });

  it("are believed what they have only under the id that the template has", async () => {
    await make(second, "claimed");
    await tell(stack.host, [{ team_id: fromWireId("team", ada.teamId), name: "claimed", snapshot_id: "0".repeat(32) }]);
    for (let count = 0; count < 3; count++) {
      const sandbox = await expectJson<Sandbox>(await start("claimed"), 201);
      expect(second.guests.has(sandbox.id)).toBe(true);
    }
  });

  it("all remove it when it is deleted, the one that does not answer once it does", async () => {
    await make(second, "gone");
    stack.host.templates.set(key("gone"), second.templates.get(key("gone"))!);
    await tell(stack.host);
    second.onDeleteTemplate = () => {
      throw new WarrenError("host_unavailable", "not now");
    };
    await expectStatus(await ada.call("DELETE", "/v1/snapshots/gone"), 204);
    expect(stack.host.templates.has(key("gone"))).toBe(false);
    expect(second.templates.has(key("gone"))).toBe(true);
    expect(await errorOf(await start("gone"))).toMatchObject({ status: 404, code: "template_not_found" });
    // Another one of the name is in nobody's way, and is not the one that goes.
    second.onDeleteTemplate = () => undefined;
    await make(second, "gone");
    await tell(second);
    expect((await expectJson<Sandbox>(await start("gone"), 201)).status).toBe("running");
  });

  it("are told what they missed while they were away, and again when they come back with an older disk", async () => {
    await make(second, "again");
    const copy = second.templates.get(key("again"))!;
    await second.hangUp();
    await expectStatus(await ada.call("DELETE", "/v1/snapshots/again"), 204);
    await second.listen();
    expect(second.templates.has(key("again"))).toBe(true);
    await tell(second);
    await expect.poll(() => second.templates.has(key("again"))).toBe(false);
    const confirmed = "select confirmed_at is not null as is from template_deletions where name = 'again'";
    await expect.poll(async () => (await db.query(confirmed)).rows).toEqual([{ is: true }]);

    second.templates.set(key("again"), copy);
    await tell(second);
    await expect.poll(() => second.templates.has(key("again"))).toBe(false);
  });

  describe("where those that have it cannot take a sandbox", () => {
    const full = () => {
      throw new WarrenError("host_full", "no room");
    };
    beforeAll(() => {
      second.onCreate = full;
    });
    afterAll(() => {
      second.onCreate = () => undefined;
      stack.host.onFetchTemplate = () => undefined;
    });

    it("it is brought to another one, and starts there", async () => {
      second.onCreate = () => undefined;
      const source = await on(second);
      const sh = async (id: string, script: string) => {
        const command = { cmd: "sh", args: ["-c", script] };
        return expectJson<{ stdout: string }>(await ada.call("POST", `/v1/sandboxes/${id}/exec`, command), 200);
      };
      await sh(source.id, "echo made here > mark");
      await expectJson(await ada.call("POST", "/v1/snapshots", { sandbox_id: source.id, name: "brought" }), 201);
      second.onCreate = full;
      const sandbox = await expectJson<Sandbox>(await start("brought"), 201);
      expect(stack.host.guests.has(sandbox.id)).toBe(true);
      expect((await sh(sandbox.id, "cat mark")).stdout).toBe("made here\n");
      // It has it from then on.
      const set = "update hosts set status = $1 where address = $2";
      await db.query(set, ["unreachable", second.address]);
      expect((await start("brought")).status).toBe(201);
      await db.query(set, ["online", second.address]);
      await expectStatus(await ada.call("DELETE", "/v1/snapshots/brought"), 204);
      expect(stack.host.templates.has(key("brought"))).toBe(false);
    });

    const madeOnSecond = async (name: string) => {
      second.onCreate = () => undefined;
      await make(second, name);
      second.onCreate = full;
    };

    it("a connection that is cut is tried again", async () => {
      await madeOnSecond("cut");
      let reads = 0;
      second.onReadTemplate = () => {
        reads += 1;
        if (reads === 1) throw new WarrenError("host_unavailable", "the connection was cut");
      };
      expect((await start("cut")).status).toBe(201);
      expect(reads).toBe(2);
      second.onReadTemplate = () => undefined;
    });

    it("the answer says why another one cannot take it", async () => {
      await madeOnSecond("unlike");
      let read = false;
      second.onReadTemplate = () => {
        read = true;
      };
      stack.host.onFetchTemplate = () => {
        throw new WarrenError("snapshot_incompatible", "cpu was a and is b here");
      };
      expect(await errorOf(await start("unlike"))).toMatchObject({
        status: 409,
        code: "snapshot_incompatible",
        message: "cpu was a and is b here",
      });
      expect(read).toBe(false);
      second.onReadTemplate = () => undefined;
    });

    it("one that is deleted on its way goes from there as well", async () => {
      await madeOnSecond("fleeting");
      stack.host.onFetchTemplate = async () => {
        await expectStatus(await ada.call("DELETE", "/v1/snapshots/fleeting"), 204);
        // What the source no longer has would not come.
        second.templates.set(key("fleeting"), copy);
      };
      const copy = second.templates.get(key("fleeting"))!;
      expect(await errorOf(await start("fleeting"))).toMatchObject({ code: "template_not_found" });
      await expect.poll(() => stack.host.templates.has(key("fleeting"))).toBe(false);
    });
  });

  it("lose what is replaced on another one, and nothing else", async () => {
    await make(second, "moved");
    await make(stack.host, "moved", "?overwrite=true");
    await expect.poll(() => second.templates.has(key("moved"))).toBe(false);
    expect(stack.host.templates.has(key("moved"))).toBe(true);
    const sandbox = await expectJson<Sandbox>(await start("moved"), 201);
    expect(stack.host.guests.has(sandbox.id)).toBe(true);
  });

  it("that no longer name it have it no more, unless it is younger than what they say", async () => {
    await make(second, "lost");
    await tell(second, []);
    expect((await start("lost")).status).toBe(201);
    await db.query("update template_hosts set noted_at = now() - interval '1 hour'");
    await tell(second, []);
    expect(await errorOf(await start("lost"))).toMatchObject({ status: 503, code: "host_unavailable" });
    // It comes back with the disk.
    await tell(second);
    expect((await start("lost")).status).toBe(201);
    const details = await admin.get<HostDetails>(`/v1/hosts/${second.membership.credentials!.host.id}`);
    expect(details.templates).toContainEqual({ team_id: ada.teamId, name: "lost" });
  });
});
