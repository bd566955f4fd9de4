import type { TeamEvent } from "@warren/contracts/rest/events";
import { TEST_EVENT, type WebhookFormat } from "@warren/contracts/rest/webhooks";

/** Characters of a text for a chat: Discord takes the fewest, 2,000, and escapes may double what is written. */
const TEXT_CHARACTERS = 900;

/** A message in the format `standard`. */
export interface StandardMessage {
  type: string;
  timestamp: string;
  /** Absent when it is about no team. */
  team_id?: string;
  data: TeamEvent | { message: string };
}

const KINDS: Record<TeamEvent["type"], string> = {
  sandbox: "Sandbox",
  template: "Template",
  api_key: "API key",
  member: "Member",
  team: "Team",
  quota: "The quota of the team",
  host: "Host",
};

/** The body of a request for a message that is given in the format `standard`. */
export function bodyOf(format: WebhookFormat, payload: string): string {
  if (format === "standard") return payload;
  return JSON.stringify(CHATS[format](sentenceOf(JSON.parse(payload) as StandardMessage)));
}

/** What chats take; nothing of the text is markup, a mention or a link to them. */
const CHATS: Record<Exclude<WebhookFormat, "standard">, (text: string) => object> = {
  slack: (text) => ({ text: escapeHtml(text) }),
  discord: (text) => ({
    content: text.replace(/[\\`*_~|<>[\]()#@:-]/g, "\\$&"),
    allowed_mentions: { parse: [] },
  }),
  teams: (text) => ({
    type: "message",
    attachments: [
      {
        contentType: "application/vnd.microsoft.card.adaptive",
        content: {
          $schema: "http://adaptivecards.io/schemas/adaptive-card.json",
          type: "AdaptiveCard",
          version: "1.4",
          // Without markdown, unlike a TextBlock.
          body: [{ type: "RichTextBlock", inlines: [{ type: "TextRun", text }] }],
        },
      },
    ],
  }),
  matrix: (text) => ({ text, html: escapeHtml(text) }),
};

/** What happened, in a line for people. */
export function sentenceOf({ type, data, team_id }: StandardMessage): string {
  if (type === TEST_EVENT || !("action" in data)) return cut("message" in data ? data.message : type);
  const name = nameOf(data);
  const what = name === undefined ? KINDS[data.type] : `${KINDS[data.type]} ${name}`;
  const about = data.type === "quota" ? what : `${what}${name === data.id ? "" : ` (${data.id})`}`;
  const reason = "reason" in data && data.reason ? `: ${data.reason.message}` : "";
  const team = team_id === undefined || data.type === "team" ? "" : ` [${team_id}]`;
  return cut(`${about} ${happened(data)}${reason}${team}`);
}

function happened(event: TeamEvent): string {
  if (event.action === "created") return "was created";
  if ("status" in event && !(event.type === "host" && event.action === "deleted")) return `is ${event.status}`;
  return event.action === "deleted" ? "was deleted" : "was changed";
}

function nameOf(event: TeamEvent): string | undefined {
  if (event.type === "quota") return undefined;
  const { resource } = event;
  if (resource && "name" in resource && resource.name) return resource.name;
  return event.id;
}

/** One line of bounded length. */
function cut(text: string): string {
  const line = text.replace(/\p{Cc}+/gu, " ").toWellFormed();
  const characters = [...line];
  return characters.length <= TEXT_CHARACTERS ? line : `${characters.slice(0, TEXT_CHARACTERS).join("")}…`;
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
