import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { errorOf, TestStack } from "../testing/test-stack.ts";
import { PostgresServer } from "./testing/postgres-server.ts";

it("answers 503 while the database is away, and goes on when it is back", async () => {
  const directory = await mkdtemp(join(tmpdir(), "warren-outage-"));
  await chmod(directory, 0o711);
  let server = await PostgresServer.start(join(directory, "postgresql"));
  const dataDir = join(directory, "data");
  const config = { dataDir, cacheDir: join(dataDir, "cache"), ephemeral: false, databaseUrl: server.url("postgres") };
  const stack = await TestStack.start({ config });
  try {
    const { id } = await stack.createSandbox();
    await server.stop();
    const away = await errorOf(await stack.call("GET", `/v1/sandboxes/${id}`));
    expect(away).toMatchObject({ status: 503, code: "database_unavailable" });
    server = await PostgresServer.restart(join(directory, "postgresql"));
    await expect.poll(async () => (await stack.call("GET", `/v1/sandboxes/${id}`)).status).toBe(200);
  } finally {
    await stack.close();
    await server.close();
    await rm(directory, { recursive: true, force: true });
  }
});
