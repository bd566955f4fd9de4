import swagger from "@fastify/swagger";
import { ErrorBody } from "@warren/contracts/rest/error";
import type { App } from "../app-types.ts";

/** Collects the schemas of all routes registered afterwards into one OpenAPI document. */
export async function describeApi(app: App, version: string): Promise<void> {
  app.addHook("onRoute", (route) => {
    // What can happen to any request; what each route answers itself is with the route.
    if (route.schema)
      route.schema.response = { "4xx": ErrorBody, "5xx": ErrorBody, ...(route.schema.response as object) };
  });
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Warren",
        version,
        description: "Sandboxes in microVMs. Every error is `{error:{code,message}}`; the code is the contract.",
        license: { name: "Apache-2.0", identifier: "Apache-2.0" },
      },
      tags: [
        { name: "sandboxes", description: "Create, list and destroy sandboxes" },
        { name: "commands", description: "Run commands in a sandbox" },
        { name: "files", description: "Move files in and out of a sandbox" },
        { name: "events", description: "Follow what changes" },
        { name: "accounts", description: "Sign up, sign in, and one's own account" },
        { name: "teams", description: "Teams and their members" },
        { name: "API keys", description: "Credentials of programs" },
        { name: "administration", description: "The whole platform" },
        { name: "service", description: "The server itself" },
      ],
      components: {
        securitySchemes: {
          apiKey: { type: "apiKey", in: "header", name: "X-API-Key", description: "Key of a team" },
          session: { type: "http", scheme: "bearer", bearerFormat: "JWT", description: "Session token of a user" },
          hostToken: { type: "apiKey", in: "header", name: "X-Host-Token", description: "Token of a host" },
        },
      },
      security: [{ apiKey: [] }, { session: [] }],
    },
  });
}
