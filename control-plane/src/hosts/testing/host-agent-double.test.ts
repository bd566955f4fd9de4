import { createHostClient } from "../host-client.ts";
import { describeHostAgent } from "./host-agent-contract.ts";
import { HostAgentDouble } from "./host-agent-double.ts";

describeHostAgent("the host agent of tests", async () => {
  const double = await HostAgentDouble.start();
  const client = createHostClient(double.address);
  return {
    client,
    template: "minimal",
    passInactivity: async (id) => double.pauseForInactivity(id),
    async measure(sandboxId) {
      const atUnixMs = BigInt(Date.now());
      const used = { cpuUs: 5n, memoryMbMs: 7n };
      double.metrics.add({ sandboxId, atUnixMs, spanMs: 10n, cpuUs: 5n, vmmMemoryBytes: 4096n, diskBytes: 512n });
      const { teamId } = double.guest(sandboxId).info();
      double.metrics.count({ sandboxId, teamId, day: new Date().toISOString().slice(0, 10), ...used });
    },
    async close() {
      client.close();
      await double.close();
    },
  };
});
