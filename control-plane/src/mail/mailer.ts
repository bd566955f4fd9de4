import { WarrenError } from "@warren/contracts/errors";
import { createTransport, type Transporter } from "nodemailer";
import type { Logger } from "../logging.ts";
import type { SmtpSettings } from "./smtp-settings.ts";

/** Milliseconds that the mail server may take for each of its answers. */
const ANSWER_MS = 15_000;
/** Hosts to which mails may travel in clear. */
const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];

/** Hands plain-text mails to a mail server. */
export class Mailer {
  readonly #transport: Transporter;
  readonly #from: string;
  readonly #log: Logger;

  constructor({ url, from }: SmtpSettings, log: Logger) {
    this.#from = from;
    this.#log = log;
    this.#transport = createTransport({
      url,
      // A link in a mail is a credential.
      requireTLS: !LOOPBACK.includes(new URL(url).hostname),
      connectionTimeout: ANSWER_MS,
      greetingTimeout: ANSWER_MS,
      socketTimeout: ANSWER_MS,
      disableFileAccess: true,
      disableUrlAccess: true,
    });
  }

  /** Resolves when the mail server has taken the mail; throws `mail_failed` otherwise, whose reason is in the log. */
  async send(to: string, subject: string, text: string): Promise<void> {
    try {
      // As an object, so that no address is read as a list of several.
      await this.#transport.sendMail({ from: this.#from, to: { name: "", address: to }, subject, text });
    } catch (error) {
      this.#log.error({ err: error }, "the mail server did not take a mail");
      throw new WarrenError(
        "mail_failed",
        "the mail could not be sent; try again, and else ask the server's operator",
        {
          cause: error,
        },
      );
    }
  }
}
