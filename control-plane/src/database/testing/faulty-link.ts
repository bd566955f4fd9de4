import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** The way to a database server over TCP, which can fail as networks and machines do. */
export class FaultyLink {
  /** Connection string of the database, by this way. */
  readonly url: string;
  readonly #server: Server;
  readonly #pairs = new Set<[client: Socket, server: Socket]>();
  #silent = false;
  #silentAt: string | undefined;
  #onSwallowed: (bytes: Buffer) => void = () => undefined;

  private constructor(server: Server, url: string) {
    this.#server = server;
    this.url = url;
  }

  /** `url` names a database whose server listens on a unix socket. */
  static async to(url: string): Promise<FaultyLink> {
    const target = new URL(url);
    const path = `${target.searchParams.get("host")}/.s.PGSQL.5432`;
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    target.searchParams.delete("host");
    const { port } = server.address() as AddressInfo;
    const user = target.searchParams.get("user");
    const link = new FaultyLink(server, `postgresql://${user}@127.0.0.1:${port}${target.pathname}`);
    server.on("connection", (client) => link.#join(client, connect(path)));
    return link;
  }

  /** Nothing comes through from now on; resolves once a client has sent something with this text in it. */
  fallSilent(text = ""): Promise<void> {
    this.#silent = true;
    const swallowed = Promise.withResolvers<void>();
    this.#onSwallowed = (bytes) => {
      if (bytes.includes(text)) swallowed.resolve();
    };
    return swallowed.promise;
  }

  /** Nothing comes through from when a client sends something with this text in it, that included; resolves then. */
  fallSilentAt(text: string): Promise<void> {
    const swallowed = this.fallSilent(text);
    this.#silent = false;
    this.#silentAt = text;
    return swallowed;
  }

  /** New connections come through again. */
  recover(): void {
    this.#silent = false;
  }

  /** Breaks all connections, as a machine that has started anew does. */
  reset(): void {
    for (const [client, server] of this.#pairs) {
      client.resetAndDestroy();
      server.destroy();
    }
  }

  async close(): Promise<void> {
    this.reset();
    this.#server.close();
    await once(this.#server, "close");
  }

  #join(client: Socket, server: Socket): void {
    const pair: [Socket, Socket] = [client, server];
    this.#pairs.add(pair);
    const forget = () => this.#pairs.delete(pair);
    client.on("data", (bytes: Buffer) => {
      if (this.#silentAt !== undefined && bytes.includes(this.#silentAt)) {
        this.#silent = true;
        this.#silentAt = undefined;
      }
      if (this.#silent) this.#onSwallowed(bytes);
      else server.write(bytes);
    });
    server.on("data", (bytes) => this.#silent || client.write(bytes));
    client.on("error", () => undefined).on("close", forget);
    server.on("error", () => undefined).on("close", forget);
    client.on("close", () => server.destroy());
    server.on("close", () => this.#silent || client.destroy());
  }
}
