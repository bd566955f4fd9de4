import type {} from "@fastify/websocket";
import type { ServerMetrics } from "@warren/server/server-metrics";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { App } from "../http/app-types.ts";
import { toCatalogueError } from "../http/errors/catalogue-error.ts";
import type { OpenRequests } from "../http/open-requests.ts";

/** What stands for the route of requests that have none: their paths are the client's to choose. */
const NO_ROUTE = "none";

/** Measures the requests of a server whose routes are yet to be registered. */
export function measureHttp(metrics: ServerMetrics, app: App, requests: OpenRequests): void {
  const durations = metrics.histogram("request", {
    name: "http_request_duration_seconds",
    help: "Requests by route and class of status, to the end of their answers; WebSockets are not among them",
    labels: ["method", "route", "status"],
  });
  // Each of them is told of the requests of one route: nothing is looked up with a request.
  const observer = (route: string) => (request: FastifyRequest, reply: FastifyReply, done: () => void) => {
    const status = `${Math.floor(reply.statusCode / 100)}xx`;
    durations.observe({ method: request.method, route, status }, reply.elapsedTime / 1000);
    done();
  };
  app.addHook("onRoute", (route) => {
    const others = route.onResponse === undefined ? [] : [route.onResponse].flat();
    route.onResponse = [...others, observer(route.url)];
  });
  const withoutRoute = observer(NO_ROUTE);
  app.addHook("onResponse", (request, reply, done) => (request.is404 ? withoutRoute(request, reply, done) : done()));

  const errors = metrics.counter({
    name: "http_errors_total",
    help: "Requests that were refused or failed, by code of the error",
    labels: ["code"],
  });
  app.addHook("onError", (_request, _reply, error, done) => {
    errors.inc({ code: toCatalogueError(error).code });
    done();
  });

  const open = metrics.gauge({ name: "http_requests_open", help: "Requests without a complete answer" });
  const sockets = metrics.gauge({ name: "websockets_open", help: "Streams of commands" });
  metrics.beforeReading(() => {
    open.set(requests.count);
    sockets.set(app.websocketServer.clients.size);
  });
}
