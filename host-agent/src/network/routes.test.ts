import { expect, it } from "vitest";
import { AddressPlan } from "./addresses.ts";
import { type Route, requireNoConflict } from "./routes.ts";

const check = (route: Route) => () => requireNoConflict(new AddressPlan(), [{ dst: "default", dev: "eth0" }, route]);

it.each<Route>([
  { dst: "10.11.0.0/24", dev: "docker0" },
  { dst: "10.12.0.7", dev: "eth1" },
  { dst: "10.0.0.0/8", dev: "wg0" },
  { type: "local", dst: "10.11.3.4", dev: "lo" },
])("the route %j is another's use of the networks of the slots", (route) => {
  expect(check(route)).toThrow(expect.objectContaining({ code: "conflict" }));
});

it.each<Route>([
  { dst: "10.11.0.5", dev: "warren-v5" },
  { dst: "192.168.0.0/16", dev: "eth1" },
  { type: "unreachable", dst: "10.0.0.0/8" },
  // Its interface went after the kernel had listed it, as those of a killed host agent do while they are removed.
  { dst: "10.11.0.5", dev: "if1234" },
  { type: "local", dst: "10.12.0.10", dev: "if1234" },
])("the route %j is none", (route) => {
  expect(check(route)).not.toThrow();
});
