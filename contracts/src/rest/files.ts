import { type Static, Type } from "typebox";
import { LIMITS } from "../limits.ts";

/** A path inside a sandbox; relative paths start at the user's home. */
export const GuestPath = (options: { description?: string } = {}) =>
  Type.String({
    description: "Path in the sandbox; a relative one starts at the user's home",
    ...options,
    minLength: 1,
    pattern: "^[^\\u0000]+$",
    "x-max-bytes": LIMITS.pathBytes,
  });

/** A user of the sandbox's image. */
export const GuestUser = Type.String({
  minLength: 1,
  maxLength: LIMITS.guestUserCharacters,
  pattern: "^[^\\u0000-\\u0020:/]+$",
  description: "User of the image; default: the sandbox's default user",
});

/** Request to read a file. */
export const ReadFile = Type.Object(
  { path: GuestPath(), user: Type.Optional(GuestUser) },
  { additionalProperties: false, title: "ReadFile" },
);
export type ReadFile = Static<typeof ReadFile>;

/** Fields of an upload beside its file. */
export const WriteFileFields = Type.Object(
  { path: GuestPath(), user: Type.Optional(GuestUser) },
  { additionalProperties: false },
);
export type WriteFileFields = Static<typeof WriteFileFields>;
