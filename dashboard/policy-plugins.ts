import { join } from "node:path";
import type { Plugin } from "vite";

/*
 * The policy of the pages (control-plane/src/dashboard/page-policy.ts) forbids style elements and style attributes, in
 * markup and by setAttribute. What packages have of them is replaced here by what does the same within the policy.
 */

/** Style attributes in the markup of packages that the pages use, with classes of ours that do the same. */
const STYLE_ATTRIBUTES = [
  [/style="display: contents;?"/g, 'class="contents"'],
  // What SvelteKit announces to screen readers.
  [/style="position: absolute; left: 0; top: 0; clip: [^"]*"/g, 'class="sr-only"'],
] as const;

/** Style attributes in markup of packages become classes; others, and ours, are errors. */
export const withoutStyleAttributes: Plugin = {
  name: "without-style-attributes",
  enforce: "pre",
  transform(code, id) {
    if (!id.endsWith(".svelte")) return undefined;
    const changed = STYLE_ATTRIBUTES.reduce((text, [style, instead]) => text.replace(style, instead), code);
    const markup = changed.replace(/<(script|style)[^>]*>[\s\S]*?<\/\1>|<!--[\s\S]*?-->/g, "");
    if (/\sstyle="[^"{]*"/.test(markup)) {
      this.error(`${id} has a style attribute, which the policy of the pages forbids: use a class, or style:name={…}`);
    }
    return changed;
  },
};

const ADOPTED_STYLE = join(import.meta.dirname, "src/lib/csp/adopted-style.ts");
/** The one place where xterm sets a style attribute: `E.setAttribute("style", TEXT)`. */
const SET_STYLE = /(\w+)\.setAttribute\("style",(`[^`]*`)\)/;

/** xterm's style elements are elements of ours, and what it sets as style attributes it sets by CSSOM. */
export const xtermWithoutStyleElements: Plugin = {
  name: "xterm-without-style-elements",
  transform(code, id) {
    if (!/\/@xterm\/xterm\/lib\/xterm\.mjs(?:\?|$)/.test(id)) return undefined;
    const changed = code
      .replaceAll('createElement("style")', 'createElement("adopted-style")')
      .replace(SET_STYLE, "($1.style.cssText=$2)");
    if (!changed.includes('"adopted-style"') || changed.includes('setAttribute("style"')) {
      this.error("xterm makes its styles in another way than is known here");
    }
    return `import ${JSON.stringify(ADOPTED_STYLE)};\n${changed}`;
  },
};
