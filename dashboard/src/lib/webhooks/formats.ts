import type { Schemas } from "#lib/api/client.ts";

export type Format = Schemas["Webhook"]["format"];

/** What messages are made for, and where the address comes from. */
export const FORMATS: readonly { value: Format; label: string; hint: string }[] = [
  { value: "standard", label: "A program: signed JSON", hint: "The address of a program of yours" },
  { value: "slack", label: "Slack", hint: "The address of an incoming webhook of Slack" },
  { value: "discord", label: "Discord", hint: "The address of a webhook of a Discord channel" },
  { value: "teams", label: "Microsoft Teams", hint: "The address of a Teams workflow that takes an adaptive card" },
  { value: "matrix", label: "Matrix", hint: "The address of a generic webhook of the bridge Hookshot" },
];
