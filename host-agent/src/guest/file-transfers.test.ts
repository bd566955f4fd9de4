import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { GuestConnections } from "./connections.ts";
import { FileTransfers } from "./file-transfers.ts";
import { GuestRequests } from "./requests.ts";

/** Transfers to a guest that answers a request as soon as it has its head, and reads nothing of a body. */
async function answeringAtOnce(answer: string): Promise<FileTransfers> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("readable", () => {
      socket.read();
      socket.write(answer);
    });
    onTestFinished(() => void socket.destroy());
  }).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  const connections = new GuestConnections();
  onTestFinished(() => connections.destroy());
  const { port } = server.address() as AddressInfo;
  // As long as no test: a guest that is waited for fails it.
  const limits = { unaryMs: 1_000_000, bodyMs: 1_000_000 };
  return new FileTransfers(new GuestRequests("127.0.0.1", port, "token", connections), limits);
}

async function* endless() {
  for (;;) yield Buffer.alloc(64 * 1024);
}

test("a guest that refuses a file while it reads nothing of it is not waited for", async () => {
  const body = JSON.stringify({ message: "it is a folder" });
  const transfers = await answeringAtOnce(`HTTP/1.1 400 Bad Request\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  await expect(transfers.write({ path: "/a", user: undefined }, endless())).rejects.toMatchObject({
    code: "invalid_path",
    message: expect.stringContaining("it is a folder"),
  });
});

test("a guest agent that is older than archives is told apart from a directory that cannot be moved", async () => {
  const saying = (message: string) => {
    const body = JSON.stringify({ message });
    return answeringAtOnce(`HTTP/1.1 400 Bad Request\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  };
  const archive = { path: "/a", user: undefined, archive: "tar" } as const;
  const unpacking = await saying('content type "application/x-tar" is not supported: use multipart/form-data');
  await expect(unpacking.write(archive, endless())).rejects.toMatchObject({ code: "invalid_state" });
  const packing = await saying("path '/a' is a directory");
  await expect(packing.read(archive)).rejects.toMatchObject({ code: "invalid_state" });
  await expect((await saying("path '/a' is not a directory")).read(archive)).rejects.toMatchObject({
    code: "invalid_path",
  });
});

test("a guest that says it has a file before all of it is sent is not believed", async () => {
  const transfers = await answeringAtOnce("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]");
  await expect(transfers.write({ path: "/a", user: undefined }, endless())).rejects.toMatchObject({
    code: "agent_error",
  });
});
