/** Sandbox ids: `sb` and 20 base-32 characters, no dash, so that they fit into a host name. */
export const SANDBOX_ID = /^sb[a-z2-7]{20}$/;
export const SANDBOX_ID_WORDS = 'the id of a sandbox: "sb" and 20 small letters and digits';

/** Names that sandboxes are given: never like an id, so that a command can take either, and without a colon. */
export const SANDBOX_NAME = /^(?!sb[a-z2-7]{20}$)[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$/;
const NAME_WORDS = "1 to 64 letters a to z, digits and any of . _ -, beginning with a letter or digit";
export const SANDBOX_NAME_WORDS = `${NAME_WORDS}, and not look like an id`;

/** Names of templates. */
export const TEMPLATE_NAME = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$/;
export const TEMPLATE_NAME_WORDS = NAME_WORDS;

/** Tags of commands: never all digits, so that one stands where a process id may. */
export const PROCESS_TAG = /^[A-Za-z_][A-Za-z0-9_.:-]{0,63}$/;
export const PROCESS_TAG_WORDS = "1 to 64 letters a to z, digits and any of _ . : -, beginning with a letter or _";

/** A command of a sandbox: its process id (at most 4,194,304, PID_MAX_LIMIT of Linux) or its tag. */
export const PROCESS_SELECTOR = new RegExp(`^[1-9][0-9]{0,6}$|${PROCESS_TAG.source}`);
export const PROCESS_SELECTOR_WORDS = "a process id or a tag";

/** API keys under both prefixes that stand for the same secret. */
export const API_KEY = /^(?:warren|e2b)_[0-9a-f]{40}$/;

/** Template that every host has: the base image. */
export const BASE_TEMPLATE = "minimal";

/** Owner of the built-in templates, as `templates.team_id`. */
export const BUILT_IN_TEAM = "00000000-0000-0000-0000-000000000000";

/** Kinds of things that have a wire id. */
export type WireIdPrefix = "usr" | "team" | "key" | "host" | "htok" | "hrt" | "log" | "ses" | "tpl" | "hook" | "dlv";

/** Pattern of the wire ids of one kind. */
export function wireIdPattern(prefix: WireIdPrefix): string {
  return `^${prefix}-[0-9a-z]{25}$`;
}

/** What such ids are, in words. */
export function wireIdWords(prefix: WireIdPrefix): string {
  return `an id: "${prefix}-" and 25 small letters and digits`;
}

/** Names of teams as their members choose them. */
export const TEAM_NAME = /^ *[A-Za-z0-9_\-@'][A-Za-z0-9 _\-@']*$/;

/** Characters of the name of a team. */
export const TEAM_NAME_CHARACTERS = 128;

/**
 * An e-mail address: one @ between a local part without quotes (RFC 5321, section 4.1.2, dot-string; letters of any script
 * as in RFC 6531) and a domain of labels.
 */
export const EMAIL =
  /^[^\s@\p{C}"(),:;<>[\]\\]{1,64}@[\p{L}\p{N}](?:[\p{L}\p{N}\p{M}-]*[\p{L}\p{N}\p{M}])?(?:\.[\p{L}\p{N}](?:[\p{L}\p{N}\p{M}-]*[\p{L}\p{N}\p{M}])?)*$/u;

/** Slugs of teams. */
export const TEAM_SLUG = /^[0-9a-f]{6}-[0-9a-f]{6}$/;
export const TEAM_SLUG_WORDS = "the slug of a team, such as 0a1b2c-3d4e5f";

/** Names of OAuth providers. */
export const OAUTH_PROVIDER = /^[a-z][a-z0-9-]{0,31}$/;
export const OAUTH_PROVIDER_WORDS = "the name of a provider: small letters, digits and -";
