/** Name of the element that stands for a style element. */
const STYLE_TAG = "adopted-style";

/**
 * Stands for a style element, which the policy of the pages forbids: its text is a style sheet that the document adopts
 * while the element is in it.
 */
class AdoptedStyle extends HTMLElement {
  readonly #sheet = new CSSStyleSheet();
  #text = "";

  override get textContent(): string {
    return this.#text;
  }

  override set textContent(css: string | null) {
    this.#text = css ?? "";
    this.#sheet.replaceSync(this.#text);
  }

  connectedCallback(): void {
    document.adoptedStyleSheets.push(this.#sheet);
  }

  disconnectedCallback(): void {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((sheet) => sheet !== this.#sheet);
  }
}

/**
 * The document for a library that makes style elements and style attributes by itself: `documentOverride` of xterm. What
 * it makes of it is set by CSSOM, which the policy of the pages allows.
 */
export function policyDocument(): Document {
  if (!customElements.get(STYLE_TAG)) customElements.define(STYLE_TAG, AdoptedStyle);
  return new Proxy(document, {
    get(target, key) {
      if (key === "createElement") return createElement;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
    set: (target, key, value) => Reflect.set(target, key, value, target),
  });
}

function createElement(name: string): HTMLElement {
  const element = document.createElement(name === "style" ? STYLE_TAG : name);
  element.setAttribute = setAttribute;
  return element;
}

/** Sets an attribute; a style attribute by what it stands for. */
function setAttribute(this: HTMLElement, name: string, value: string): void {
  if (name === "style") this.style.cssText = value;
  else Element.prototype.setAttribute.call(this, name, value);
}
