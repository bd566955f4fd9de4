import type { RequestListener } from "node:http";
import type { Interceptor } from "@connectrpc/connect";
import { METRICS_PATH, type MetricsPage } from "@warren/server/metrics-page";
import type { Logger } from "pino";
import type { SandboxService } from "../sandboxes/service.ts";
import { fileTransfers } from "./file-transfers.ts";
import type { HostFacts } from "./host-facts.ts";
import { hostAgentService, type JoinControlPlane } from "./hostagent.ts";
import { type SecureServer, serveSecurely } from "./secure-server.ts";
import { type RpcServer, serve } from "./server.ts";

/** Where the host agent listens: on a unix socket, or at a port with mutual TLS. */
export type ServePlace = { socketPath: string } | { host: string; port: number };

/** What clients are given. */
export interface ServedHost {
  sandboxes: SandboxService;
  facts: () => Promise<HostFacts>;
  join: JoinControlPlane;
  /** Told of each call and each file that is asked for. */
  onRequest: () => void;
  /** What measures calls, and where the metrics are for whoever shows their token; absent when nobody reads them. */
  monitoring?: { interceptor: Interceptor; page: MetricsPage | undefined } | undefined;
  log: Logger;
}

/** Serves the sandboxes of a host: calls, and the content of files. */
export function serveSandboxes(
  place: ServePlace,
  { sandboxes, facts, join, onRequest, monitoring, log }: ServedHost,
): Promise<RpcServer & Partial<SecureServer>> {
  const service = hostAgentService(sandboxes, facts, join);
  const transfers = fileTransfers(sandboxes, log);
  const { page, interceptor } = monitoring ?? {};
  const noting: Interceptor = (next) => (request) => {
    onRequest();
    return next(request);
  };
  const files: RequestListener = (request, response) => {
    if (page && request.url?.split("?", 1)[0] === METRICS_PATH) return void page.answer(request, response);
    onRequest();
    transfers(request, response);
  };
  const served = { service, files, interceptors: interceptor ? [noting, interceptor] : [noting] };
  return "socketPath" in place ? serve(place.socketPath, served, log) : serveSecurely(place, served, log);
}
