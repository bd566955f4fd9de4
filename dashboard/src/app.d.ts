declare global {
  namespace App {
    interface Error {
      message: string;
      /** Code of the error catalogue, where the API said what failed. */
      code?: string;
      /** By which the server's log tells of the request. */
      requestId?: string;
    }
  }
}

export {};
