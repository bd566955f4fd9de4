/** Sandbox ids: `sb` and 20 base-32 characters, no dash, so that they fit into a host name. */
export const SANDBOX_ID = /^sb[a-z2-7]{20}$/;

/** Names of templates and snapshots. */
export const TEMPLATE_NAME = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$/;

/** API keys under both prefixes that stand for the same secret. */
export const API_KEY = /^(?:warren|e2b)_[0-9a-f]{40}$/;

/** Template that every host has: the base image. */
export const BASE_TEMPLATE = "minimal";
