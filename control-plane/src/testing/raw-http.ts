import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** What came back on a connection. */
export interface RawAnswer {
  status: number;
  /** The first line and those of the headers, as they came. */
  head: string[];
  /** Names in lower case. */
  headers: Record<string, string>;
  body: string;
}

/** Opens a connection of which the test says every byte. */
export async function connectTo(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  await once(socket, "connect");
  return socket.on("error", () => undefined);
}

/** Sends bytes on a connection of their own; the result is all that comes until the server closes it. */
export async function exchange(url: string, bytes: string | Buffer): Promise<RawAnswer> {
  const socket = await connectTo(url);
  socket.write(bytes);
  return answerOn(socket);
}

/** All that comes on a connection until the server closes it. */
export async function answerOn(socket: Socket): Promise<RawAnswer> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  // A server that has answered does not read on, so that a write may fail before the end.
  await new Promise((resolve) => socket.once("close", resolve));
  return parse(Buffer.concat(chunks).toString("utf8"));
}

function parse(text: string): RawAnswer {
  const end = text.indexOf("\r\n\r\n");
  const head = text.slice(0, Math.max(0, end)).split("\r\n");
  const [first = "", ...lines] = head;
  const headers = Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  return { status: Number(first.split(" ")[1] ?? 0), head, headers, body: text.slice(end + 4) };
}
