/** Node's parser as its own `http` uses it. It is there on every Node, without a type. */
declare module 'node:_http_common' {
  export const methods: readonly string[];

  export class HTTPParser {
    static readonly REQUEST: 1;
    static readonly RESPONSE: 2;
    static readonly kOnHeaders: 1;
    static readonly kOnHeadersComplete: 2;
    static readonly kOnBody: 3;
    static readonly kOnMessageComplete: 4;
    static readonly kLenientNone: 0;
    initialize(type: 1 | 2, resource: object, headBytesMax: number, lenient: number): void;
    /** How many bytes were read, or what was wrong. */
    execute(bytes: Buffer): number | (Error & { readonly code: string });
    finish(): undefined | Error;
    close(): void;
    1: (flat: string[], url: string) => void;
    2: (
      major: number,
      minor: number,
      flat: string[] | undefined,
      method: number | undefined,
      url: string | undefined,
      status: number | undefined,
      reason: string | undefined,
      upgrade: boolean,
      persists: boolean,
    ) => number;
    3: (bytes: Buffer) => void;
    4: () => void;
  }
}
