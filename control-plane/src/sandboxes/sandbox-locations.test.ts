import type { SandboxStatus } from "@warren/contracts/rest/sandboxes";
import { beforeEach, expect, it } from "vitest";
import { SandboxChanges } from "./sandbox-changes.ts";
import { SandboxLocations } from "./sandbox-locations.ts";
import type { SandboxLocation, SandboxStore } from "./sandbox-store.ts";

const ID = `sb${"a".repeat(20)}`;
let status: SandboxStatus;
let lookUps: number;
let changes: SandboxChanges;
let locations: SandboxLocations;
beforeEach(() => {
  status = "running";
  lookUps = 0;
  changes = new SandboxChanges();
  const locate = async (): Promise<SandboxLocation> => {
    lookUps++;
    return { teamId: "team", status, reason: null, autoResume: false, host: null };
  };
  locations = new SandboxLocations({ locate } as Pick<SandboxStore, "locate"> as SandboxStore, changes);
});

it("a running sandbox is looked up once, until it changes", async () => {
  for (let call = 0; call < 3; call++) expect((await locations.find(ID))?.status).toBe("running");
  expect(lookUps).toBe(1);
  status = "paused";
  changes.publish(ID);
  expect((await locations.find(ID))?.status).toBe("paused");
});

it("one that does not run is looked up by every call", async () => {
  status = "paused";
  await locations.find(ID);
  status = "running";
  expect((await locations.find(ID))?.status).toBe("running");
});

it("one that changes while it is looked up is not kept as it was", async () => {
  const before = locations.find(ID);
  changes.publish(ID);
  status = "stopped";
  await before;
  expect((await locations.find(ID))?.status).toBe("stopped");
});
