import type { Logger } from "pino";
import type { SandboxService } from "../sandboxes/service.ts";
import { fileTransfers } from "./file-transfers.ts";
import type { HostFacts } from "./host-facts.ts";
import { hostAgentService } from "./hostagent.ts";
import { type RpcServer, serve } from "./server.ts";

/** What clients are given. */
export interface ServedHost {
  sandboxes: SandboxService;
  facts: () => Promise<HostFacts>;
  log: Logger;
}

/** Serves the sandboxes of a host: calls, and the content of files. */
export function serveSandboxes(socketPath: string, { sandboxes, facts, log }: ServedHost): Promise<RpcServer> {
  return serve(socketPath, { service: hostAgentService(sandboxes, facts), files: fileTransfers(sandboxes, log) }, log);
}
