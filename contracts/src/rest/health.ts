import { type Static, Type } from "typebox";

/** Answer of a control plane that takes requests. */
export const Health = Type.Object(
  {
    status: Type.Literal("ok"),
    version: Type.String({ description: "Version of Warren" }),
  },
  { title: "Health" },
);
export type Health = Static<typeof Health>;
