import { Health } from "@warren/contracts/rest/health";
import type { Routes } from "./app-types.ts";

/** `GET /health`: whether this control plane takes requests. */
export function healthRoutes(version: string): Routes {
  return async (app) => {
    app.get(
      "/health",
      { schema: { tags: ["service"], summary: "Whether the server takes requests", response: { 200: Health } } },
      async () => ({ status: "ok" as const, version }),
    );
  };
}
