import { afterEach, describe, expect, it } from "vitest";
import { AddressPolicy } from "../addresses/address-policy.ts";
import { HttpPost, PostFailed } from "./http-post.ts";
import { type Answer, Receiver } from "./testing/receiver.ts";

const never = new AbortController().signal;
const receivers: Receiver[] = [];
afterEach(() => Promise.all(receivers.splice(0).map((receiver) => receiver.close())));

async function receive(answer?: Answer): Promise<Receiver> {
  const receiver = await Receiver.start(answer);
  receivers.push(receiver);
  return receiver;
}

const local = (options = {}) => new HttpPost(new AddressPolicy(["127.0.0.1"]), options);

describe("a message to a webhook", () => {
  it("takes the status of a receiver that answers without end, fast or slowly, and the beginning of its answer", async () => {
    const endless = await receive((response) => {
      const more = () => {
        while (!response.destroyed && response.write("x".repeat(65_536)));
        if (!response.destroyed) response.once("drain", more);
      };
      more();
    });
    expect(await local().send(endless.url, "{}", {}, never)).toEqual({ status: 200, text: "x".repeat(1024) });
    const slow = await receive((response) => {
      response.write("a");
      const timer = setInterval(() => response.write("b"), 300);
      response.on("close", () => clearInterval(timer));
    });
    const { status, text } = await local().send(slow.url, "{}", {}, never);
    expect([status, text]).toEqual([200, expect.stringMatching(/^ab+$/)]);
  });

  it("is given up when there is no answer in time, or the connection is refused or cut", async () => {
    const silent = await receive(() => undefined);
    const send = (url: string) => local({ attemptMs: 300 }).send(url, "{}", {}, never);
    await expect(send(silent.url)).rejects.toThrow("no answer within 0.3 seconds");
    const cut = await receive((response) => response.destroy());
    await expect(send(cut.url)).rejects.toThrow(PostFailed);
    await expect(send("http://127.0.0.1:1/")).rejects.toThrow("ECONNREFUSED");
  });

  it("follows no redirect", async () => {
    const other = await receive();
    const receiver = await receive((response) => response.writeHead(302, { location: other.url }).end());
    expect(await local().send(receiver.url, "{}", {}, never)).toMatchObject({ status: 302 });
    expect(other.received).toEqual([]);
  });

  it("goes to no address that is not allowed, whatever a name meant before", async () => {
    const receiver = await receive();
    const { port } = new URL(receiver.url);
    const answers = [["127.0.0.1"], ["127.0.0.2"], []];
    const post = local({ resolve: async () => answers.shift() });
    const url = `http://hooks.example.org:${port}/`;
    expect(await post.send(url, "{}", {}, never)).toMatchObject({ status: 200 });
    await expect(post.send(url, "{}", {}, never)).rejects.toThrow("127.0.0.2 is not a public one");
    await expect(post.send(url, "{}", {}, never)).rejects.toThrow("has no address");
    expect(receiver.received).toHaveLength(1);
  });
});
