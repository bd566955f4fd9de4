import { LIMITS } from "@warren/contracts/limits";
import { expect, it } from "vitest";
import { inputMessages } from "./exec-connection.ts";

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
