import type { Locator, Page } from "playwright-core";

/** A page, what it asks the server for, and what shows that it is there. */
export interface PageOfDashboard {
  path: string;
  /** Request without which it has nothing to show. */
  asks: RegExp;
  shows(page: Page): Locator;
}

const table = (name: string) => (page: Page) => page.getByRole("table", { name });
const heading = (name: string) => (page: Page) => page.getByRole("heading", { name });

/** The pages of whoever is signed in and administers the server; {@link capsulePages} has those of one capsule. */
export const PAGES: readonly PageOfDashboard[] = [
  { path: "/dashboard/capsules/list", asks: /\/v1\/sandboxes(\?|$)/, shows: table("Capsules") },
  {
    path: "/dashboard/capsules/stats",
    asks: /\/v1\/sandboxes\/stats/,
    shows: (page) => page.getByText("Most at once in 30 days"),
  },
  { path: "/dashboard/snapshots", asks: /\/v1\/snapshots/, shows: table("Snapshots") },
  {
    path: "/dashboard/snapshots/family",
    asks: /\/v1\/family/,
    shows: (page) => page.getByRole("tree", { name: "Family tree" }),
  },
  { path: "/dashboard/keys", asks: /\/v1\/api-keys/, shows: table("API keys") },
  { path: "/dashboard/team", asks: /\/v1\/teams\/[^/]+$/, shows: table("Members") },
  { path: "/dashboard/team", asks: /\/v1\/teams\/[^/]+\/quota/, shows: (page) => page.getByText("Their vCPUs") },
  { path: "/dashboard/audit", asks: /\/v1\/audit-logs/, shows: (page) => page.getByRole("list", { name: "Events" }) },
  { path: "/dashboard/usage", asks: /\/v1\/usage/, shows: table("Use of each capsule") },
  {
    path: "/dashboard/webhooks",
    asks: /\/v1\/webhooks$/,
    shows: (page) => page.getByText("A webhook sends what happens in the team"),
  },
  { path: "/dashboard/account", asks: /\/v1\/me\/sessions/, shows: table("Sessions") },
  { path: "/dashboard/hosts", asks: /\/v1\/hosts$/, shows: (page) => page.getByText("hosts that all teams share") },
  { path: "/dashboard/admin?tab=users", asks: /\/v1\/admin\/users/, shows: table("Users") },
  { path: "/dashboard/admin?tab=teams", asks: /\/v1\/admin\/teams/, shows: table("Teams") },
  { path: "/dashboard/admin?tab=sandboxes", asks: /\/v1\/admin\/sandboxes/, shows: table("Capsules of all teams") },
  { path: "/dashboard/admin?tab=hosts", asks: /\/v1\/admin\/hosts/, shows: table("Hosts") },
  {
    path: "/dashboard/admin?tab=audit",
    asks: /\/v1\/admin\/audit-logs/,
    shows: (page) => page.getByRole("list", { name: "Events" }),
  },
  // Without the session no page below /dashboard opens at all.
  { path: "/dashboard/keys", asks: /\/v1\/me$/, shows: heading("Keys") },
];

/** Pages of somebody who is not signed in. */
export const OPEN_PAGES: readonly PageOfDashboard[] = [
  { path: "/login", asks: /\/v1\/auth\/options/, shows: (page) => page.getByRole("link", { name: "Make an account" }) },
  { path: "/reset", asks: /\/v1\/auth\/options/, shows: (page) => page.getByText("This server sends no mail") },
];

/** What is shown of one capsule that runs. */
export function capsulePages(id: string): PageOfDashboard[] {
  const path = `/dashboard/capsules/${id}`;
  return [
    {
      path: `${path}?tab=terminal`,
      asks: new RegExp(`/v1/sandboxes/${id}$`),
      shows: (page) => page.getByRole("textbox", { name: "Terminal input" }),
    },
    { path: `${path}?tab=files`, asks: /\/files\/stat$/, shows: table("Files") },
    { path: `${path}?tab=processes`, asks: /\/processes$/, shows: table("Commands") },
    { path: `${path}?tab=metrics`, asks: /\/metrics/, shows: (page) => page.getByText("Network", { exact: true }) },
    {
      path: `${path}?tab=activity`,
      asks: /\/v1\/audit-logs/,
      shows: (page) => page.getByRole("list", { name: "Events" }),
    },
  ];
}
