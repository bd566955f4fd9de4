import { shortId } from "#lib/format/id.ts";
import { PAGES } from "./pages.ts";
import { placeNames } from "./place-names.svelte.ts";

/** Pages below those of the sidebar, by the last part of their addresses. */
const LABELS: Record<string, string> = { list: "List", stats: "Stats", compare: "Compare", family: "Family tree" };

/** Where a page is, from the top: each place with the address that leads there. */
export function breadcrumb(pathname: string): { label: string; href: string }[] {
  const parts = pathname.split("/").filter((part) => part !== "" && part !== "dashboard");
  return parts.map((part, index) => {
    const href = `/dashboard/${parts.slice(0, index + 1).join("/")}`;
    const known = PAGES.find((page) => page.href === href)?.label;
    const text = decodeURIComponent(part);
    const name =
      index === 0
        ? text.charAt(0).toUpperCase() + text.slice(1)
        : (LABELS[text] ?? placeNames.of(text) ?? shortId(text));
    const label = known ?? name;
    return { label, href };
  });
}
