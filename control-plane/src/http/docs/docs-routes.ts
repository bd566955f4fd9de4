import swaggerUi from "@fastify/swagger-ui";
import type { Routes } from "../app-types.ts";

/** What the pages of the Swagger UI may load: its own files only. It sets styles of elements by script. */
const CONTENT_SECURITY_POLICY = {
  "default-src": ["'self'"],
  "img-src": ["'self'", "data:"],
  "style-src": ["'self'", "'unsafe-inline'"],
  "object-src": ["'none'"],
  "base-uri": ["'none'"],
  "form-action": ["'self'"],
  "frame-ancestors": ["'none';"],
};

/** `/openapi.yaml`, `/openapi.json` and the Swagger UI at `/docs`, which loads nothing from elsewhere. */
export const docsRoutes: Routes = async (app) => {
  app.get("/openapi.yaml", { schema: { hide: true } }, async (_request, reply) => {
    return reply.type("application/yaml").send(app.swagger({ yaml: true }));
  });
  app.get("/openapi.json", { schema: { hide: true } }, async () => app.swagger());
  await app.register(swaggerUi, {
    routePrefix: "/docs",
    staticCSP: CONTENT_SECURITY_POLICY,
    // The default sends the document's address to a service of others.
    uiConfig: { validatorUrl: null },
  });
};
