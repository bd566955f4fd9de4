import { setImmediate } from "node:timers/promises";
import { afterEach, expect, test, vi } from "vitest";
import type { MessageListener } from "../database/messages.ts";
import { createLogger } from "../logging.ts";
import { EventFeed, type Follower } from "./event-feed.ts";
import { EventPosition } from "./event-position.ts";

const START = EventPosition.of("0123abcd", { next: 5, open: [] });
const LATER = EventPosition.of("0123abcd", { next: 9, open: [] });

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** A feed of a log that has no events, whose first position comes when the test says so. */
function newFeed() {
  const first = Promise.withResolvers<EventPosition>();
  const listening = Promise.withResolvers<void>();
  const events = {
    end: vi.fn(async () => LATER).mockReturnValueOnce(first.promise),
    read: vi.fn(async () => ({ events: [], end: LATER, more: false, reset: false })),
  };
  const listeners: MessageListener[] = [];
  const messages = {
    listen: async (_channel: string, listener: MessageListener) => {
      listeners.push(listener);
      await listening.promise;
      return async () => undefined;
    },
  };
  const resources = { read: async () => [] };
  const feed = new EventFeed({ events, messages, resources, log: createLogger("silent") } as never);
  ends.push(() => feed.close());
  const tell = async () => {
    for (const listener of listeners) listener.onMessage("");
    await setImmediate();
  };
  return { feed, events, first, listening, tell };
}

function newFollower(): Follower {
  return { teamId: "team", take: vi.fn(), miss: vi.fn(), beat: vi.fn(), end: vi.fn() };
}

test.each(["listen", "read where it is"])("reads nothing for one who left while it was about to %s", async (when) => {
  const { feed, events, first, listening, tell } = newFeed();
  const follower = newFollower();
  const following = feed.follow(follower);
  if (when === "listen") {
    feed.leave(follower);
    listening.resolve();
  } else {
    listening.resolve();
    await expect.poll(() => events.end.mock.calls.length).toBe(1);
    feed.leave(follower);
  }
  first.resolve(START);
  await following;
  await tell();
  expect(events.read).not.toHaveBeenCalled();
  // Who comes next begins with what happens from then on.
  expect(await feed.follow(newFollower())).toBe(LATER);
});
