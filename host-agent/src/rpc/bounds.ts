import { WarrenError } from "@warren/contracts/errors";

/** A figure of a request, or `invalid_request` when it is out of bounds. */
export function within(name: string, value: number, { min, max }: { min: number; max: number }): number {
  if (value < min || value > max) {
    throw new WarrenError("invalid_request", `${name} must be from ${min} to ${max}, not ${value}`);
  }
  return value;
}
