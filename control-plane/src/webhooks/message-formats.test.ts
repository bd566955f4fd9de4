import { WEBHOOK_FORMATS } from "@warren/contracts/rest/webhooks";
import { expect, it } from "vitest";
import { bodyOf, sentenceOf } from "./message-formats.ts";
import { secondsToRetry } from "./retry-schedule.ts";

const at = "2026-11-29T07:00:00.000Z";
const paused = (name: string) => ({
  type: "sandbox.changed",
  timestamp: at,
  team_id: "team-1",
  data: {
    type: "sandbox",
    action: "changed",
    id: "sb1",
    at,
    status: "paused",
    reason: { code: "inactivity", message: "nobody has used it", at },
    resource: { name },
  } as never,
});

it("says what happened in a line", () => {
  expect(sentenceOf(paused("box"))).toBe("Sandbox box (sb1) is paused: nobody has used it [team-1]");
});

it("gives chats names as text: no markup, no mentions, no lines of their own", () => {
  const payload = JSON.stringify(paused("<!channel> @everyone [x](http://x) **b**\n# h"));
  expect(JSON.parse(bodyOf("slack", payload)).text).toContain("&lt;!channel&gt;");
  const discord = JSON.parse(bodyOf("discord", payload));
  expect(discord).toMatchObject({
    allowed_mentions: { parse: [] },
    content: expect.stringContaining("\\[x\\]\\(http\\://x\\)"),
  });
  expect(discord.content).not.toContain("\n");
  expect(JSON.parse(bodyOf("matrix", payload)).html).not.toContain("<");
});

it("makes valid bodies of bounded length of whatever is in a name", () => {
  const characters = ["a", "\\", "*", "<", "&", "\u0000", "\n", "😀", "\ud800", "\u202e", "`", '"', "@"];
  let seed = 20261129;
  const next = (below: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return seed % below;
  };
  for (let round = 0; round < 300; round++) {
    const name = Array.from({ length: next(3000) }, () => characters[next(characters.length)]).join("");
    const payload = JSON.stringify(paused(name));
    for (const format of WEBHOOK_FORMATS) {
      const body = bodyOf(format, payload);
      expect(() => JSON.parse(body)).not.toThrow();
      if (format === "discord") expect(JSON.parse(body).content.length).toBeLessThanOrEqual(2000);
    }
  }
});

it("tries for about a day, and not at the same time as others", () => {
  let seconds = 0;
  for (let tries = 1; secondsToRetry(tries, undefined, 0.5) !== undefined; tries++) {
    seconds += secondsToRetry(tries, undefined, 0.5)!;
  }
  expect(seconds / 3600).toBeGreaterThan(20);
  expect(seconds / 3600).toBeLessThan(28);
  expect(secondsToRetry(1, undefined, 0)).toBe(8);
  expect(secondsToRetry(1, undefined, 1)).toBeCloseTo(12);
});
