import { ConnectError, type Interceptor } from "@connectrpc/connect";
import { WarrenError } from "@warren/contracts/errors";
import type { ServerMetrics } from "@warren/server/server-metrics";

/** Measures calls of the service that are no streams, which last as long as their callers want. */
export function measureCalls(metrics: ServerMetrics): Interceptor {
  const durations = metrics.histogram("operation", {
    name: "call_duration_seconds",
    help: "Calls of the control plane, by method and how they ended: ok, or the code of an error",
    labels: ["method", "outcome"],
  });
  return (next) => async (request) => {
    if (request.stream) return next(request);
    const began = performance.now();
    const note = (outcome: string) =>
      durations.observe({ method: request.method.name, outcome }, (performance.now() - began) / 1000);
    try {
      const response = await next(request);
      note("ok");
      return response;
    } catch (error) {
      note(codeOf(error));
      throw error;
    }
  };
}

/** The code of the catalogue that an error carries. */
function codeOf(error: unknown): string {
  const { cause } = error as Error;
  if (error instanceof ConnectError && cause instanceof WarrenError) return cause.code;
  return "internal_error";
}
