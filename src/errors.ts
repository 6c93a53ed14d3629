/**
 * The catalogue of everything Postern refuses or fails with (contract section 5), and the one error class that carries it.
 * Each entry: the HTTP status, what happened in one sentence, what to do about it, and the RFC 9209 error type.
 * Texts are canonical: nothing from an upstream and no secret ever becomes part of them.
 */
interface Entry {
  readonly status: number;
  readonly message: string;
  readonly hint: string;
  readonly proxyStatus: string;
}

export const CATALOGUE = {
  REQUEST_INVALID: {
    status: 400,
    message: 'The request is not valid HTTP.',
    hint: 'Send a request as RFC 9112 describes it.',
    proxyStatus: 'http_request_error',
  },
  TARGET_INVALID: {
    status: 400,
    message: 'The request target is not valid here.',
    hint: 'Use CONNECT host:port for https, and an absolute http:// target for http.',
    proxyStatus: 'http_request_error',
  },
  FRAMING_INVALID: {
    status: 400,
    message: 'The length of the message could be read in more than one way.',
    hint: 'Send one Content-Length, or "Transfer-Encoding: chunked" alone.',
    proxyStatus: 'http_request_error',
  },
  HEADERS_AMBIGUOUS: {
    status: 400,
    message: 'A field that must be single came more than once, or in a form that is read in two ways.',
    hint: 'Send the field once, in its plain form.',
    proxyStatus: 'http_request_error',
  },
  PATH_AMBIGUOUS: {
    status: 400,
    message: 'Servers would read this path in different ways.',
    hint: 'Send the path without dot segments, empty segments, backslashes, ";" or encoded separators.',
    proxyStatus: 'http_request_error',
  },
  HOST_DENIED: {
    status: 403,
    message: 'The policy does not allow this host, port or scheme.',
    hint: 'Ask for a rule that names the host, or use a host that is allowed.',
    proxyStatus: 'http_request_denied',
  },
  METHOD_DENIED: {
    status: 403,
    message: 'The policy does not allow this method on this host.',
    hint: 'Use a method that the rules of this host allow.',
    proxyStatus: 'http_request_denied',
  },
  PATH_DENIED: {
    status: 403,
    message: 'The policy does not allow this path on this host.',
    hint: 'Use a path that the rules of this host allow.',
    proxyStatus: 'http_request_denied',
  },
  RULE_DENIED: {
    status: 403,
    message: 'A rule of this host refuses the request.',
    hint: 'Look at the rule that the answer names.',
    proxyStatus: 'http_request_denied',
  },
  ADDRESS_DENIED: {
    status: 403,
    message: 'The host is at an address that may not be reached.',
    hint: 'Private, local and metadata addresses need "upstream.allow_addresses" or "subnets.allow".',
    proxyStatus: 'destination_ip_prohibited',
  },
  PROTOCOL_DENIED: {
    status: 403,
    message: 'This protocol, or an upgrade to it, is not allowed here.',
    hint: 'Speak TLS with the SNI of the CONNECT authority, or HTTP/1.1.',
    proxyStatus: 'http_request_denied',
  },
  PLACEHOLDER_MISUSE: {
    status: 403,
    message: 'A placeholder was found where it is not bound.',
    hint: 'Send the placeholder only to the host, and in the place, that its binding names.',
    proxyStatus: 'http_request_denied',
  },
  QUARANTINED: {
    status: 403,
    message: 'This sandbox is in quarantine.',
    hint: 'An operator must lift the quarantine.',
    proxyStatus: 'http_request_denied',
  },
  IDENTITY_CONFLICT: {
    status: 403,
    message: 'The client could not be told to be exactly one sandbox.',
    hint: 'Check "sandbox.match" of the policy files: the evidence names no sandbox, or two.',
    proxyStatus: 'http_request_denied',
  },
  TOKEN_REQUIRED: {
    status: 407,
    message: 'A sandbox token is required, and it is absent or wrong.',
    hint: 'Put the token in the proxy URL: http://SANDBOX:TOKEN@host:port.',
    proxyStatus: 'http_request_denied',
  },
  NOT_FOUND: {
    status: 404,
    message: 'The proxy has no such page of its own.',
    hint: 'Ask for /ca.pem, /bundle.pem, /env or /policy.',
    proxyStatus: 'http_request_error',
  },
  METHOD_NOT_ALLOWED: {
    status: 405,
    message: "The proxy's own pages can only be read.",
    hint: 'Use GET or HEAD.',
    proxyStatus: 'http_request_error',
  },
  REQUEST_TIMEOUT: {
    status: 408,
    message: 'The request did not arrive in time.',
    hint: 'Send the whole request head without pauses.',
    proxyStatus: 'http_request_error',
  },
  BODY_TOO_LARGE: {
    status: 413,
    message: 'The request body is larger than the rule allows.',
    hint: 'Send less, or ask for a higher "limits.body".',
    proxyStatus: 'http_request_error',
  },
  BODY_ENCODED: {
    status: 415,
    message: 'The request body is compressed, so its placeholders cannot be read.',
    hint: 'Send the body without Content-Encoding.',
    proxyStatus: 'http_request_error',
  },
  EXPECTATION_FAILED: {
    status: 417,
    message: 'The only expectation that can be met is 100-continue.',
    hint: 'Send the request without this Expect field.',
    proxyStatus: 'http_request_error',
  },
  TARGET_MISMATCH: {
    status: 421,
    message: 'The Host field, the TLS name or the target name a different host than the connection was opened for.',
    hint: 'Open a connection for each host; send its own name in Host.',
    proxyStatus: 'http_request_error',
  },
  RATE_LIMITED: {
    status: 429,
    message: 'A limit of the rule is used up.',
    hint: 'Try again after the time in Retry-After.',
    proxyStatus: 'http_request_denied',
  },
  HEADERS_TOO_LARGE: {
    status: 431,
    message: 'The request head is larger than allowed.',
    hint: 'Send fewer or shorter fields.',
    proxyStatus: 'http_request_error',
  },
  INTERNAL: {
    status: 500,
    message: 'Postern failed on this request. This is a bug.',
    hint: 'Report it with the request id.',
    proxyStatus: 'proxy_internal_error',
  },
  DNS_FAILED: {
    status: 502,
    message: 'The host name could not be resolved.',
    hint: 'Check the name.',
    proxyStatus: 'dns_error',
  },
  CONNECT_FAILED: {
    status: 502,
    message: 'No connection to the host could be made.',
    hint: 'Check that the host listens on this port.',
    proxyStatus: 'connection_refused',
  },
  TLS_UNTRUSTED: {
    status: 502,
    message: 'The certificate of the host is not trusted.',
    hint: 'Add its authority to "upstream.trust"; verification cannot be switched off.',
    proxyStatus: 'tls_certificate_error',
  },
  TLS_FAILED: {
    status: 502,
    message: 'The TLS handshake failed.',
    hint: 'Check that the host speaks TLS 1.2 or 1.3 on this port.',
    proxyStatus: 'tls_protocol_error',
  },
  UPSTREAM_RESET: {
    status: 502,
    message: 'The host closed the connection before it had answered.',
    hint: 'Try again if the request may be repeated.',
    proxyStatus: 'connection_terminated',
  },
  RESPONSE_INVALID: {
    status: 502,
    message: 'The answer of the host is not valid HTTP.',
    hint: 'Look at the host; Postern refuses what two readers could read differently.',
    proxyStatus: 'http_protocol_error',
  },
  SECRET_UNAVAILABLE: {
    status: 503,
    message: 'A credential that the rule adds is not available.',
    hint: 'An operator must provide the secret; the log says which and why.',
    proxyStatus: 'proxy_configuration_error',
  },
  POLICY_UNAVAILABLE: {
    status: 503,
    message: 'The policy of this sandbox is not loaded.',
    hint: 'An operator must mend its policy file; "postern check" says where.',
    proxyStatus: 'proxy_configuration_error',
  },
  OVERLOADED: {
    status: 503,
    message: 'The proxy is at one of its limits.',
    hint: 'Try again in a moment.',
    proxyStatus: 'connection_limit_reached',
  },
  DRAINING: {
    status: 503,
    message: 'The proxy is shutting down.',
    hint: 'Connect again.',
    proxyStatus: 'destination_unavailable',
  },
  CONNECT_TIMEOUT: {
    status: 504,
    message: 'The connection to the host was not made in time.',
    hint: 'Check that the host can be reached from the proxy.',
    proxyStatus: 'connection_timeout',
  },
  HEAD_TIMEOUT: {
    status: 504,
    message: 'The host did not begin its answer in time.',
    hint: 'Raise "response_head" in the rule if the host needs longer.',
    proxyStatus: 'http_response_timeout',
  },
  IDLE_TIMEOUT: {
    status: 504,
    message: 'Nothing moved on the connection for too long.',
    hint: 'Raise "idle" in the rule if the host pauses longer.',
    proxyStatus: 'connection_read_timeout',
  },
} as const satisfies Record<string, Entry>;

export type Code = keyof typeof CATALOGUE;

/** The stages of an exchange, in their order; the same words in code, logs, metrics and docs. */
export const STAGES = [
  'accept',
  'identify',
  'tunnel',
  'detect',
  'handshake',
  'receive',
  'decide',
  'resolve',
  'inject',
  'dispatch',
  'relay',
  'conclude',
] as const;
export type Stage = (typeof STAGES)[number];

/** Who is at fault: the sandbox's client, the upstream host, or Postern itself. */
export type Side = 'client' | 'upstream' | 'proxy';

/** A limit of a rule that has no room left: what the answer's `Retry-After` and RateLimit fields are made of. */
export interface Quota {
  readonly limit: 'requests' | 'bytes_out' | 'concurrency';
  readonly amount: number;
  /** Whole units that are left, fewer than were wanted. */
  readonly available: number;
  /** Seconds in which all of it comes back; null for what comes back when something ends. */
  readonly windowS: number | null;
  /** From 1. */
  readonly retryAfterS: number;
}

export interface Fault {
  readonly stage: Stage;
  readonly side: Side;
  /** One short sentence for the audit line and the answer, made of canonical data only. */
  readonly reason?: string;
  /** What to do about it, where the catalogue's hint can be bettered. */
  readonly hint?: string;
  /** True only if no byte of the request can have had an effect upstream. */
  readonly retryable?: boolean;
  readonly quota?: Quota;
  readonly cause?: unknown;
}

/** The one error that stages throw. Anything else that is thrown is a bug and becomes `INTERNAL`. */
export class ProxyError extends Error {
  override readonly name = 'ProxyError';
  readonly code: Code;
  readonly stage: Stage;
  readonly side: Side;
  readonly status: number;
  readonly reason: string;
  readonly hint: string;
  readonly retryable: boolean;
  readonly quota: Quota | null;

  constructor(code: Code, fault: Fault) {
    const entry = CATALOGUE[code];
    super(fault.reason ?? entry.message, { cause: fault.cause });
    this.code = code;
    this.stage = fault.stage;
    this.side = fault.side;
    this.status = entry.status;
    this.reason = fault.reason ?? entry.message;
    this.hint = fault.hint ?? entry.hint;
    this.retryable = fault.retryable ?? false;
    this.quota = fault.quota ?? null;
  }
}

/** Whatever was thrown, as a `ProxyError`; what is not one is a bug of ours and is `INTERNAL`. */
export function toProxyError(thrown: unknown, stage: Stage): ProxyError {
  if (thrown instanceof ProxyError) return thrown;
  return new ProxyError('INTERNAL', { stage, side: 'proxy', cause: thrown });
}

/** The code that the system or Node gave an error (`ENOSPC`, `ERR_WORKER_OUT_OF_MEMORY`), or `UNKNOWN`: safe to log, never a value. */
export function errorCode(error: unknown): string {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : 'UNKNOWN';
}
