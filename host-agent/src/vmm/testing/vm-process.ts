/**
 * A process that starts a microVM as a host agent does, so that a test can kill it. Reads the machine and the moment to
 * stop at from its arguments, and prints one line of JSON at each moment.
 */
import { detectCgroups } from "../../cgroup/detect.ts";
import type { ProcessIdentity } from "../../linux/process-identity.ts";
import { createQemuVmm } from "../qemu/driver.ts";
import type { Machine } from "../vmm.ts";

const [machineJson, deviceState] = process.argv.slice(2);
const machine = JSON.parse(machineJson ?? "") as Machine;
const say = (moment: string, process?: ProcessIdentity) => console.log(JSON.stringify({ moment, process }));

const vmm = await createQemuVmm({
  accelerator: "tcg",
  cgroups: await detectCgroups(),
  warn: (message, cause) => console.error(message, cause),
});
const answer = new Promise<void>((resolve) => process.stdin.once("data", () => resolve()));
const onSpawn = async (spawned: ProcessIdentity) => {
  say("spawned", spawned);
  await answer;
};
await (deviceState ? vmm.restore(machine, deviceState, onSpawn) : vmm.start(machine, onSpawn));
say("running");
