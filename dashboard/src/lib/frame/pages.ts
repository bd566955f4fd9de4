import Box from "@lucide/svelte/icons/box";
import ChartColumn from "@lucide/svelte/icons/chart-column";
import KeyRound from "@lucide/svelte/icons/key-round";
import Layers from "@lucide/svelte/icons/layers";
import ScrollText from "@lucide/svelte/icons/scroll-text";
import Server from "@lucide/svelte/icons/server";
import Shield from "@lucide/svelte/icons/shield";
import Users from "@lucide/svelte/icons/users";
import WebhookIcon from "@lucide/svelte/icons/webhook";
import type { Component } from "svelte";

/** An entry of the sidebar. */
export interface PageEntry {
  href: string;
  label: string;
  icon: Component<{ size?: number | string }>;
  /** Key after `g` that goes there. */
  key: string;
  /** Only for teams that run their capsules on hosts of their own. */
  ownHostsOnly?: boolean;
  /** Only for administrators of the platform. */
  adminOnly?: boolean;
}

/** The pages of the sidebar, from the top. */
export const PAGES: readonly PageEntry[] = [
  { href: "/dashboard/capsules", label: "Capsules", icon: Box, key: "c" },
  { href: "/dashboard/snapshots", label: "Snapshots", icon: Layers, key: "s" },
  { href: "/dashboard/keys", label: "Keys", icon: KeyRound, key: "k" },
  { href: "/dashboard/team", label: "Team", icon: Users, key: "t" },
  { href: "/dashboard/audit", label: "Audit", icon: ScrollText, key: "a" },
  { href: "/dashboard/usage", label: "Usage", icon: ChartColumn, key: "u" },
  { href: "/dashboard/hosts", label: "Hosts", icon: Server, key: "h", ownHostsOnly: true },
  { href: "/dashboard/webhooks", label: "Webhooks", icon: WebhookIcon, key: "w" },
  { href: "/dashboard/admin", label: "Admin", icon: Shield, key: "p", adminOnly: true },
];

/** Whether a page is an entry's, or below it. */
export function isAt(pathname: string, href: string): boolean {
  return pathname === href || pathname.startsWith(`${href}/`);
}
