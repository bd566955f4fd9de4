import { get, type IncomingMessage } from "node:http";

/** A client that counts the events of its stream. */
export class EventStream {
  events = 0;
  readonly #response: IncomingMessage;
  readonly #waiting: { count: number; resolve: () => void }[] = [];

  private constructor(response: IncomingMessage) {
    this.#response = response;
    let rest = "";
    response.setEncoding("utf8").on("data", (text: string) => {
      const blocks = (rest + text).split("\n\n");
      rest = blocks.pop()!;
      this.events += blocks.filter((block) => block.includes("event: sandbox")).length;
      while (this.#waiting[0] && this.#waiting[0].count <= this.events) this.#waiting.shift()!.resolve();
    });
    response.on("error", () => undefined);
  }

  /** Resolves once the stream has begun. */
  static async open(url: string, headers: Record<string, string>): Promise<EventStream> {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      get(`${url}/v1/events`, { agent: false, headers }, resolve).on("error", reject);
    });
    if (response.statusCode !== 200) throw new Error(`a stream was refused with ${response.statusCode}`);
    return new EventStream(response);
  }

  /** Resolves when so many events have come. */
  reach(count: number): Promise<void> {
    return new Promise((resolve) => this.#waiting.push({ count, resolve }));
  }

  close(): void {
    this.#response.destroy();
  }
}
