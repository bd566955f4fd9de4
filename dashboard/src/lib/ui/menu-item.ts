import type { Component } from "svelte";

/** An entry of a menu. */
export interface MenuItem {
  label: string;
  run: () => void;
  icon?: Component<{ size?: number | string }>;
  /** At the right end: a key, a role. */
  note?: string | undefined;
  checked?: boolean;
  /** Ends or removes something. */
  danger?: boolean;
  /** Why it cannot be chosen now. */
  disabledReason?: string | undefined;
}
