import { expect, it } from "vitest";
import { canRegister, countsOf, dutiesIn, type HostStatus } from "./host.ts";

it("hosts are counted by their status, those that take capsules first", () => {
  const hosts = (["draining", "online", "pending", "online"] as const).map((status) => ({ status }));
  expect(countsOf(hosts)).toBe("2 online, 1 not registered, 1 draining");
  expect(countsOf([])).toBe("");
});

it("what is offered of a host is what the server does in its status", () => {
  const statuses: HostStatus[] = ["pending", "online", "unreachable", "draining", "offline"];
  expect(statuses.filter(canRegister)).toEqual(["pending", "unreachable"]);
  expect(dutiesIn("pending")).toEqual([]);
  expect(dutiesIn("offline")).toEqual(["online"]);
  expect(statuses.filter((status) => dutiesIn(status).includes("drain"))).toEqual(["online", "unreachable"]);
});
