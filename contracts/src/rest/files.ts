import { type Static, Type } from "typebox";
import { LIMITS } from "../limits.ts";

/** A path inside a sandbox; relative paths start at the user's home, which the empty one is. */
export const GuestPath = (options: { description?: string; minLength?: number } = {}) =>
  Type.String({
    description: "Path in the sandbox; a relative one starts at the user's home, which an empty one is",
    ...options,
    pattern: "^[^\\u0000]*$",
    "x-words": "a path, without NUL characters",
    "x-max-bytes": LIMITS.pathBytes,
  });

/** A user of the sandbox's image. */
export const GuestUser = Type.String({
  minLength: 1,
  maxLength: LIMITS.guestUserCharacters,
  pattern: "^[^\\u0000-\\u0020:/]+$",
  "x-words": "the name of a user, without blanks, control characters, : and /",
  description: "User of the image, with that user's rights; default: the sandbox's default user",
});

/** Permission bits of a file. */
export const FileMode = Type.String({
  pattern: "^[0-7]{3,4}$",
  "x-words": "three or four octal digits, such as 0755",
  description: "Permission bits in octal, such as 0755, or 1777 with the sticky bit",
});

/** Time of the last change of a file. */
export const FileTime = Type.String({ format: "date-time", description: "When the file was last changed" });

/** Request to read a file. */
export const ReadFile = Type.Object(
  { path: GuestPath(), user: Type.Optional(GuestUser) },
  { additionalProperties: false, title: "ReadFile" },
);
export type ReadFile = Static<typeof ReadFile>;

/** What is downloaded, as the query of an address. */
export const DownloadQuery = Type.Object(
  { path: GuestPath(), user: Type.Optional(GuestUser) },
  { additionalProperties: false },
);
export type DownloadQuery = Static<typeof DownloadQuery>;

/** Directory that an archive is unpacked into, as the query of an address. */
export const UnpackQuery = Type.Object(
  {
    path: GuestPath({
      description:
        "Directory in the sandbox, which is made when it is missing; a relative one starts at the user's home, which an empty one is",
    }),
    user: Type.Optional(GuestUser),
  },
  { additionalProperties: false },
);
export type UnpackQuery = Static<typeof UnpackQuery>;

/** A name without directories. */
const FileName = Type.String({
  minLength: 1,
  pattern: "^[^/\\u0000]+$",
  "x-words": "a name, without / and NUL characters",
  "x-max-bytes": LIMITS.pathBytes,
  description: "Name of a file that goes into a directory, in place of the one that the form gives it",
});

/** Fields of an upload beside its file. */
export const WriteFileFields = Type.Object(
  {
    path: GuestPath({
      description:
        "Path in the sandbox; a relative one starts at the user's home, which an empty one is. One that ends with / or is a " +
        "directory means into it, under the file's own name",
    }),
    name: Type.Optional(FileName),
    user: Type.Optional(GuestUser),
    mode: Type.Optional(FileMode),
    modified_at: Type.Optional(FileTime),
  },
  { additionalProperties: false },
);
export type WriteFileFields = Static<typeof WriteFileFields>;

const FileUse = { path: GuestPath(), user: Type.Optional(GuestUser) };

/** A file, a directory or a link of a sandbox. */
export const FileEntry = Type.Object(
  {
    name: Type.String(),
    path: Type.String({
      description: `Absolute path. One of more than ${LIMITS.pathBytes} bytes, which a list may have, cannot be named in requests`,
    }),
    type: Type.Enum(["file", "directory", "symlink", "other"]),
    size: Type.Integer({ minimum: 0, description: "Bytes" }),
    mode: Type.String({
      pattern: "^[0-7]{4}$",
      description:
        "Permission bits in octal, with those for set-user-ID, set-group-ID and the sticky bit; for a link those of what it leads to",
    }),
    owner: Type.String(),
    group: Type.String(),
    modified_at: Type.String({ format: "date-time" }),
    target: Type.Optional(Type.String({ description: "What a link holds" })),
  },
  { title: "FileEntry" },
);
export type FileEntry = Static<typeof FileEntry>;

/** Request to list a directory. */
export const ListFiles = Type.Object(
  {
    ...FileUse,
    depth: Type.Optional(
      Type.Integer({ ...range(LIMITS.listDepth), default: 1, description: "Levels of directories" }),
    ),
    limit: Type.Optional(
      Type.Integer({
        ...range(LIMITS.listEntries),
        default: LIMITS.listEntries.max,
        description: "Entries of the answer at most",
      }),
    ),
    after: Type.Optional(
      Type.String({
        pattern: "^[^\\u0000]*$",
        "x-words": "a path, without NUL characters",
        "x-max-bytes": LIMITS.listedPathBytes,
        description: "The `next` of an answer, or the path of an entry: only those behind it are listed",
      }),
    ),
  },
  { additionalProperties: false, title: "ListFiles" },
);
export type ListFiles = Static<typeof ListFiles>;

/** Entries of a directory, each directory right before its content; names in the order of their bytes. */
export const FileList = Type.Object(
  {
    entries: Type.Array(FileEntry),
    next: Type.Optional(Type.String({ description: "There are more: list again with this as `after`" })),
  },
  { title: "FileList" },
);
export type FileList = Static<typeof FileList>;

/** Request to describe a file. */
export const StatFile = Type.Object(FileUse, { additionalProperties: false, title: "StatFile" });
export type StatFile = Static<typeof StatFile>;

/** Request to make a directory. */
export const MakeDirectory = Type.Object(
  {
    ...FileUse,
    parents: Type.Optional(
      Type.Boolean({
        default: false,
        description: "Make missing directories above it too, and take one that is there for made",
      }),
    ),
  },
  { additionalProperties: false, title: "MakeDirectory" },
);
export type MakeDirectory = Static<typeof MakeDirectory>;

/** What goes from its place: not the user's home because a script had nothing to put here. */
const Departing = {
  path: GuestPath({ description: "Path in the sandbox; a relative one starts at the user's home", minLength: 1 }),
};

/** Request to remove a file or a directory. */
export const RemoveFile = Type.Object(
  {
    ...FileUse,
    ...Departing,
    recursive: Type.Optional(
      Type.Boolean({
        default: false,
        description: "Remove a directory with all that is in it, and be content when nothing is there",
      }),
    ),
  },
  { additionalProperties: false, title: "RemoveFile" },
);
export type RemoveFile = Static<typeof RemoveFile>;

/** Request to move or rename a file or a directory. */
export const MoveFile = Type.Object(
  {
    ...FileUse,
    ...Departing,
    destination: GuestPath({ description: "New path; one that ends with / or is a directory means into it" }),
    overwrite: Type.Optional(Type.Boolean({ default: false, description: "Replace a file that is there" })),
  },
  { additionalProperties: false, title: "MoveFile" },
);
export type MoveFile = Static<typeof MoveFile>;

function range({ min, max }: { min: number; max: number }) {
  return { minimum: min, maximum: max };
}
