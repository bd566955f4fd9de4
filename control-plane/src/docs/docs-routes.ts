import swaggerUi from "@fastify/swagger-ui";
import type { Routes } from "../app.ts";

/** `/openapi.yaml`, `/openapi.json` and the Swagger UI at `/docs`, which loads nothing from elsewhere. */
export const docsRoutes: Routes = async (app) => {
  app.get("/openapi.yaml", { schema: { hide: true } }, async (_request, reply) => {
    return reply.type("application/yaml").send(app.swagger({ yaml: true }));
  });
  app.get("/openapi.json", { schema: { hide: true } }, async () => app.swagger());
  await app.register(swaggerUi, { routePrefix: "/docs", staticCSP: true });
};
