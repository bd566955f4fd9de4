/** Where a log-in leads: only to pages of the dashboard, however the way to it is written. */
export function returnPath(to: string | null): string {
  // An address that none can have, since what is asked for must not lead to another one.
  const url = to === null ? null : URL.parse(to, "http://dashboard.invalid");
  const isPage = url?.host === "dashboard.invalid" && /^\/dashboard(?:\/|$)/.test(url.pathname);
  return isPage ? url.pathname + url.search : "/dashboard/capsules/list";
}
