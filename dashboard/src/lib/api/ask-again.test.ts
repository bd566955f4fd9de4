import { describe, expect, it } from "vitest";
import { askAgain } from "./ask-again.ts";

const URL = "http://localhost/v1/me";

/** A server that gives no answer so many times, and counts how often it is asked. */
function serverThatFails(times: number) {
  const server = {
    asked: 0,
    ask: async () => {
      server.asked += 1;
      if (server.asked <= times) throw new TypeError("Failed to fetch");
      return new Response("here");
    },
  };
  return server;
}

describe("a request that brings no answer", () => {
  it("is made once more when it is a question", async () => {
    const server = serverThatFails(1);
    expect(await (await askAgain(new Request(URL), server.ask)).text()).toBe("here");
  });

  it("fails when the second brings none either", async () => {
    const server = serverThatFails(9);
    await expect(askAgain(new Request(URL), server.ask)).rejects.toThrow("Failed to fetch");
    expect(server.asked).toBe(2);
  });

  it("is not made again when it orders something", async () => {
    const server = serverThatFails(1);
    await expect(askAgain(new Request(URL, { method: "POST" }), server.ask)).rejects.toThrow("Failed to fetch");
    expect(server.asked).toBe(1);
  });

  it("is not made again when nobody waits for it any more", async () => {
    const server = serverThatFails(1);
    const request = new Request(URL, { signal: AbortSignal.abort() });
    await expect(askAgain(request, server.ask)).rejects.toThrow();
    expect(server.asked).toBe(1);
  });
});
