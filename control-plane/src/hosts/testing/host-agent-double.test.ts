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
    async close() {
      client.close();
      await double.close();
    },
  };
});
