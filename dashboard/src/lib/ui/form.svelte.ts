import { ApiError } from "#lib/api/api-error.ts";

/** State of a form, or of anything else that one has done and waits for: whether it is under way, and why it failed. */
export class Form {
  busy = $state(false);
  /** Of the last attempt; undefined again with the next. */
  error = $state.raw<ApiError>();

  readonly #submit: () => Promise<unknown>;

  /** `submit` does it; what it throws stands in `error`. */
  constructor(submit: () => Promise<unknown>) {
    this.#submit = submit;
  }

  /** Handler of the event of a `<form>`. */
  readonly onsubmit = (event: SubmitEvent): void => {
    event.preventDefault();
    void this.run();
  };

  /** Does it, unless it is under way; whether it succeeded. */
  async run(): Promise<boolean> {
    if (this.busy) return false;
    this.busy = true;
    this.error = undefined;
    try {
      await this.#submit();
      return true;
    } catch (error) {
      this.error = ApiError.from(error);
      return false;
    } finally {
      this.busy = false;
    }
  }
}
