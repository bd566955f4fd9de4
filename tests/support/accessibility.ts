import axe from "axe-core";
import type { Page } from "playwright-core";
import { expect } from "vitest";

/** Widths at which pages are looked at: a desk and a phone. */
const VIEWPORTS = [
  { width: 1440, height: 900 },
  { width: 390, height: 844 },
];

/** How pages are looked at. Light and dark are the same but for the colours. */
const LOOKS = [
  // What is pressed is 24 px wide and high at least, or has as much room around it.
  { theme: "light", options: { resultTypes: ["violations"], rules: { "target-size": { enabled: true } } } },
  { theme: "dark", options: { resultTypes: ["violations"], runOnly: ["color-contrast"] } },
] as const;

/** Fails when axe finds anything wrong with a page as it stands, in light and dark, at a desk and on a phone. */
export async function expectNoBarriers(page: Page): Promise<void> {
  // By the debugger, whose scripts the policy of the pages does not concern: it holds meanwhile.
  if (!(await page.evaluate("typeof axe === 'object'"))) await page.evaluate(axe.source);
  const found: string[] = [];
  for (const viewport of VIEWPORTS) {
    await page.setViewportSize(viewport);
    for (const { theme, options } of LOOKS) {
      const { violations } = await page.evaluate<axe.AxeResults>(`(async () => {
        document.documentElement.dataset.theme = "${theme}";
        const changes = document.getAnimations().filter((animation) => animation instanceof CSSTransition);
        await Promise.allSettled(changes.map(({ finished }) => finished));
        return axe.run(document, ${JSON.stringify(options)});
      })()`);
      found.push(...violations.map((violation) => `${viewport.width}, ${theme}: ${describe(violation)}`));
    }
  }
  expect(found.join("\n\n")).toBe("");
}

function describe({ id, help, nodes }: axe.Result): string {
  return [`${id}, ${help}`, ...nodes.map(({ html }) => html)].join("\n");
}
