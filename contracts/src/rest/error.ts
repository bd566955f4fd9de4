import { type Static, Type } from "typebox";
import { ERRORS } from "../errors.ts";

/** Body of every answer whose status is 400 or more. */
export const ErrorBody = Type.Object(
  {
    error: Type.Object({
      code: Type.String({ enum: Object.keys(ERRORS), description: "Code of the error catalogue: the contract" }),
      message: Type.String({ description: "What happened and what to do, for people; may change" }),
    }),
  },
  { title: "Error" },
);
export type ErrorBody = Static<typeof ErrorBody>;
