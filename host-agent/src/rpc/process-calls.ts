import type { ServiceImpl } from "@connectrpc/connect";
import { WarrenError } from "@warren/contracts/errors";
import type { HostAgentService } from "@warren/contracts/gen/hostagent/v1/hostagent_pb";

type ProcessCalls = "startProcess" | "listProcesses" | "signalProcess";

/** Calls about the commands of a sandbox. */
export function processCalls(): Pick<ServiceImpl<typeof HostAgentService>, ProcessCalls> {
  const refuse = () => {
    throw new WarrenError("method_not_implemented", "this host agent starts no commands in the background yet");
  };
  return { startProcess: refuse, listProcesses: refuse, signalProcess: refuse };
}
