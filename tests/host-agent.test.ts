import { createHostClient } from "@warren/control-plane/hosts/host-client";
import { describeHostAgent } from "@warren/control-plane/hosts/testing/host-agent-contract";
import { HostAgentFixture } from "./support/host-agent.ts";

describeHostAgent("a host agent with microVMs", async () => {
  const host = await HostAgentFixture.start({ WARREN_METRICS_INTERVAL_SEC: "0.5" });
  const client = createHostClient(host.address);
  return {
    client,
    template: "minimal",
    passInactivity: async () => undefined,
    measure: async () => undefined,
    async close() {
      client.close();
      await host.dispose();
    },
  };
});
