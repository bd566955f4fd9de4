import { LIMITS } from "@warren/contracts/limits";
import { expect, it } from "vitest";
import { closeWords, exitWords, inputMessages } from "./exec-socket.ts";

it("tells how a shell ended", () => {
  expect(exitWords({ exit_code: 0 })).toBe("The shell has ended");
  expect(exitWords({ exit_code: 2 })).toBe("The shell has ended with status 2");
  expect(exitWords({ exit_code: 137, signal: "SIGKILL" })).toBe("The shell was ended by SIGKILL");
});

it("tells why a connection was closed, when the server said so", () => {
  expect(closeWords("")).toContain("broke");
  expect(closeWords("rate_limited")).toBe("The connection was closed: rate_limited");
});

it("splits what was pasted into messages that the server takes, and loses nothing of it", () => {
  const pasted = Uint8Array.from({ length: 3 * LIMITS.chunkBytes + 7 }, (_, place) => place % 251);
  const messages = inputMessages(pasted);
  for (const message of messages) {
    expect(message[0]).toBe(1);
    expect(message.length).toBeLessThanOrEqual(LIMITS.chunkBytes);
  }
  expect(Buffer.concat(messages.map((message) => message.subarray(1))).equals(pasted)).toBe(true);
  expect(inputMessages(new Uint8Array())).toEqual([]);
});
