import { expect, test } from "vitest";
import { watchProcesses } from "./process-watch.ts";
import { useExecServer } from "./testing/exec-server.ts";

const connected = useExecServer();

test("a watch tells of each change until it is told why it ends", async () => {
  connected().webSockets.on("connection", (socket) => {
    socket.send('{"type":"changed"}');
    socket.send('{"type":"changed"}');
    socket.send('{"type":"error","code":"invalid_state","data":"the sandbox is paused"}');
    socket.close();
  });
  let told = 0;
  const watched = (async () => {
    for await (const _ of watchProcesses(connected().transport, "/processes", undefined)) told += 1;
  })();
  await expect(watched).rejects.toMatchObject({ code: "invalid_state", message: "the sandbox is paused" });
  expect(told).toBeLessThanOrEqual(2);
});

test("who stops taking changes, or aborts, leaves no connection", async () => {
  connected().webSockets.on("connection", (socket) => socket.send('{"type":"changed"}'));
  for await (const _ of watchProcesses(connected().transport, "/processes", undefined)) break;
  const abort = new AbortController();
  const aborted = (async () => {
    for await (const _ of watchProcesses(connected().transport, "/processes", abort.signal)) abort.abort();
  })();
  await expect(aborted).rejects.toThrow("aborted");
  await expect.poll(() => connected().webSockets.clients.size, { timeout: 60_000 }).toBe(0);
});
