import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeHost } from "../testing/fake-host.ts";
import { ControlPlaneLoss } from "./control-plane-loss.ts";
import { CredentialMemory } from "./credentials.ts";
import { Link } from "./link.ts";
import { type Answer, ControlPlane, HOST, REPORT } from "./testing/control-plane.ts";

const log = pino({ level: "silent" });
/** Milliseconds between two signs of life. */
const SOON = 20;

describe("a host that loses its control plane", () => {
  let plane: ControlPlane;
  let host: FakeHost;
  let link: Link;
  let loss: ControlPlaneLoss;
  beforeEach(async () => {
    plane = new ControlPlane();
    [host] = await Promise.all([FakeHost.open(), plane.start()]);
  });
  afterEach(async () => {
    await link?.close();
    plane.close();
    await host.dispose();
  });

  /** Registers the host, which from then on gives signs of life. */
  const join = async (after: number) => {
    loss = new ControlPlaneLoss({ sandboxes: host.sandboxes, after, log });
    link = await Link.open({
      ...{ credentials: new CredentialMemory(), address: "https://192.0.2.1:7443", report: async () => REPORT },
      ...{ loss, log, intervalMs: SOON },
    });
    await link.join({ controlPlaneUrl: plane.url, hostId: HOST, token: "once" });
  };
  const statuses = () => host.sandboxes.list().map(({ status }) => status);
  /** Resolves when so many signs of life more were given. */
  const beats = async (count: number) => {
    const before = plane.count("/heartbeat");
    await expect.poll(() => plane.count("/heartbeat"), { interval: SOON }).toBeGreaterThanOrEqual(before + count);
  };

  it.each<[string, Answer]>([
    ["are answered with an error", { status: 503 }],
    ["get no answer", "nothing"],
  ])("pauses all its sandboxes once three signs of life in a row %s", async (_, answer) => {
    const ids = await Promise.all([1, 2, 3].map(() => host.create()));
    await join(3);
    let lost = 0;
    plane.answer = (path) => {
      if (!path.endsWith("/heartbeat")) return undefined;
      lost += 1;
      // Two in a row, and then one that is taken, are none.
      if (lost <= 3) return lost === 3 ? undefined : answer;
      if (lost === 6) expect(statuses()).toEqual(["running", "running", "running"]);
      return answer;
    };
    await expect.poll(statuses).toEqual(["paused", "paused", "paused"]);
    expect(lost).toBeGreaterThanOrEqual(6);
    for (const id of ids) {
      const { reason } = host.sandboxes.get(id);
      expect(reason).toMatchObject({ code: "control_plane_lost", message: expect.stringMatching(/^its host had not/) });
    }
    // Once it is back, what is resumed runs on.
    plane.answer = () => undefined;
    await beats(2);
    await Promise.all(ids.map((id) => host.sandboxes.resume(id)));
    await beats(10);
    expect(statuses()).toEqual(["running", "running", "running"]);
  });

  it("pauses them at once when its credentials are refused for good", async () => {
    const id = await host.create();
    await join(1000);
    plane.answer = () => ({ status: 401 });
    await expect.poll(statuses).toEqual(["paused"]);
    const message = "the control plane has refused the credentials of its host";
    expect(host.sandboxes.get(id).reason).toMatchObject({ code: "control_plane_lost", message });
  });

  it("does not when it renews its credentials, when it was deleted, or when it is not to", async () => {
    await host.create();
    await join(1);
    plane.valid = "another";
    await expect.poll(() => plane.count("/refresh")).toBe(1);
    await beats(2);
    plane.answer = (path) =>
      path.endsWith("/heartbeat") ? { status: 404, body: { error: { code: "not_found" } } } : undefined;
    await beats(1);
    await link.close();
    plane.answer = () => undefined;
    await join(0);
    plane.answer = () => ({ status: 401 });
    await beats(5);
    await link.close();
    expect(statuses()).toEqual(["running"]);
  });

  it("does not while the control plane calls it, whatever becomes of signs of life", async () => {
    await host.create();
    await join(1);
    loss.called();
    plane.answer = () => ({ status: 401 });
    await beats(5);
    expect(statuses()).toEqual(["running"]);
  });

  it("ends in order while it pauses them, and the next host agent has them", async () => {
    await Promise.all([1, 2, 3, 4, 5, 6].map(() => host.create()));
    await join(1);
    const closed = new Promise<void>((resolve) => {
      host.sandboxes.onOperation = () => resolve(link.close());
    });
    plane.answer = (path) => (path.endsWith("/heartbeat") ? "nothing" : undefined);
    await closed;
    await host.sandboxes.release();
    await host.reopen();
    const states = statuses();
    expect(states).toHaveLength(6);
    expect(new Set(states)).toEqual(new Set(["paused", "running"]));
    await join(1);
    await expect.poll(() => new Set(statuses())).toEqual(new Set(["paused"]));
  });
});

describe("the loss of a control plane", () => {
  let now = 0;
  /** Pauses that were begun: how they are told to stop, and how they end. */
  let rounds: { stop: AbortSignal; end: () => void }[];
  let loss: ControlPlaneLoss;
  beforeEach(() => {
    rounds = [];
    now = 0;
    const pauseAll = (_: unknown, stop: AbortSignal) =>
      new Promise<void>((end) => {
        rounds.push({ stop, end });
      });
    loss = new ControlPlaneLoss({ sandboxes: { pauseAll }, after: 3, log, clock: () => now });
  });
  /** Signs of life that come to nothing, half a minute apart. */
  const miss = async (...outcomes: ("failed" | "refused")[]) => {
    for (const outcome of outcomes) {
      now += 30_000;
      loss.missed(outcome);
    }
    // What has ended is known to have.
    await Promise.resolve();
  };

  it("lets pauses that are under way end before others begin, and tries again what they left", async () => {
    await miss("failed", "failed");
    expect(rounds).toHaveLength(0);
    await miss("failed", "failed", "failed");
    expect(rounds).toHaveLength(1);
    rounds[0]!.end();
    await new Promise(setImmediate);
    await miss("failed");
    expect(rounds).toHaveLength(2);
  });

  it.each(["over", "called"] as const)(
    "ends when the control plane is back (%s): no more pauses begin",
    async (back) => {
      await miss("failed", "failed", "failed");
      loss[back]();
      expect(rounds[0]!.stop.aborted).toBe(true);
      rounds[0]!.end();
      await new Promise(setImmediate);
      await miss("failed", "failed");
      expect(rounds).toHaveLength(1);
      await miss("failed");
      expect(rounds).toHaveLength(2);
    },
  );

  it("is none while the control plane calls, and begins to be counted once it calls no more", async () => {
    for (let turn = 0; turn < 5; turn++) {
      now += 29_000;
      loss.called();
      now += 1000;
      loss.missed("refused");
    }
    expect(rounds).toHaveLength(0);
    await miss("failed");
    expect(rounds).toHaveLength(0);
    await miss("failed");
    expect(rounds).toHaveLength(1);
  });
});
