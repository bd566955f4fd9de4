/**
 * Stands for a style element, which the policy of the pages forbids: its text is a style sheet that the document adopts
 * while the element is in it. The build has xterm make these (`policy-plugins.ts`).
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

customElements.define("adopted-style", AdoptedStyle);
