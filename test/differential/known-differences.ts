import { methods } from 'node:_http_common';
import { readPath } from '../../src/policy/paths.ts';
import type { Difference } from './compare.ts';
import { type Case, type Message, type MessageReading, requestCase, responseCase } from './message.ts';
import type { PeerName } from './peers/peer.ts';

type Bytes = Pick<Case, 'bytes' | 'answerTo'>;

/**
 * Every way in which a peer reads a message differently that we accept. `docs/parsers.md` has a row for each, and the tests accept no other.
 * `raw`: in what a client or an origin sends; we write the message anew, so nobody behind us sees it. `written`: also in what we write.
 */
export interface KnownDifference {
  readonly id: string;
  readonly peer: PeerName;
  readonly where: 'raw' | 'written';
  readonly differences: readonly Difference[];
  /** How the peer reads it. */
  readonly reads: string;
  /** Why that does no harm. */
  readonly why: string;
  readonly applies: (ours: Message, one: Bytes) => boolean;
  /** Shows the difference; the tests see whether it still does. */
  readonly example: Case;
}

const STRICTER = 'It answers 400 or closes; it reads nothing in another way.';
const REWRITTEN = 'Framing and chunks behind us are ours; these bytes end with us.';

const get = (...lines: readonly string[]): string => ['GET /a HTTP/1.1', 'Host: a.test', ...lines, '', ''].join('\r\n');
const target = (text: string): string => `GET ${text} HTTP/1.1\r\nHost: a.test\r\n\r\n`;
const method = (text: string): string => `${text} / HTTP/1.1\r\nHost: a.test\r\n\r\n`;
const chunked = (body: string): string =>
  `POST /a HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n${body}`;

const namesIn = ({ fields, trailers }: Message): readonly string[] =>
  [...fields, ...trailers].map(([name]) => name.toLowerCase());
const trails = ({ trailers }: Message, ...names: readonly string[]): boolean =>
  trailers.some(([name]) => names.includes(name.toLowerCase()));
const pathOf = ({ start: [, text] }: Message): string => text.split('?', 1)[0] ?? '';
/** Something other than digits in a line that begins a chunk. */
const hasExtension = (one: Bytes): boolean => /\n[0-9A-Fa-f]+[ \t]*;/.test(one.bytes);

/** What llhttp is built with. */
const LLHTTP_METHODS: ReadonlySet<string> = new Set([...methods, 'QUERY', 'PRI']);
const PLAIN_NAME = /^[A-Za-z0-9-]+$/;
const BAD_ESCAPE = /%(?![0-9A-Fa-f]{2})/;

/** In what we write: origins may well be these. */
const WRITTEN: readonly KnownDifference[] = [
  {
    id: 'llhttp-methods',
    peer: 'llhttp',
    where: 'written',
    differences: ['refused'],
    reads: 'a method that is not on its list is refused, and so is a lower-case one',
    why: STRICTER,
    applies: (ours, { answerTo }) => answerTo === null && !LLHTTP_METHODS.has(ours.start[0]),
    example: requestCase('a method that llhttp does not know', method('FOO')),
  },
  {
    id: 'nginx-methods',
    peer: 'nginx',
    where: 'written',
    differences: ['refused'],
    reads: 'a method with other characters than `A`–`Z`, `_` and `-` is refused',
    why: STRICTER,
    applies: (ours, { answerTo }) => answerTo === null && !/^[A-Z_-]+$/.test(ours.start[0]),
    example: requestCase('a method in lower case', method('get')),
  },
  {
    id: 'nginx-asterisk',
    peer: 'nginx',
    where: 'written',
    differences: ['refused'],
    reads: '`OPTIONS *` is refused',
    why: STRICTER,
    applies: (ours) => ours.start[1] === '*',
    example: requestCase('OPTIONS *', 'OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n'),
  },
  {
    id: 'nginx-path',
    peer: 'nginx',
    where: 'written',
    differences: ['refused'],
    reads: 'a path with a bad escape, with `%00`, or with more `..` than segments is refused',
    why: `${STRICTER} Where a rule of the host has \`paths\` we refuse such a path ourselves (\`PATH_AMBIGUOUS\`).`,
    applies: (ours, { answerTo }) => answerTo === null && readPath(pathOf(ours)).ambiguous !== null,
    example: requestCase('a bad escape', target('/a%zz')),
  },
  {
    id: 'nginx-names',
    peer: 'nginx',
    where: 'written',
    differences: ['fields'],
    reads:
      'a field whose name has other characters than letters, digits and `-` is dropped (`ignore_invalid_headers`, `underscores_in_headers`)',
    why: 'It sees less than we sent; nothing of the framing has such a name. Look-alikes of fields that we inject or strip are removed (`SEMANTICS.md` 6).',
    applies: (ours) => namesIn(ours).some((name) => !PLAIN_NAME.test(name)),
    example: requestCase('a name with an underscore', get('X_y: a')),
  },
  {
    id: 'go-escape',
    peer: 'net/http',
    where: 'written',
    differences: ['refused'],
    reads: 'a path with a bad escape is refused',
    why: `${STRICTER} Where a rule of the host has \`paths\` we refuse such a path ourselves (\`PATH_AMBIGUOUS\`).`,
    applies: (ours, { answerTo }) => answerTo === null && BAD_ESCAPE.test(pathOf(ours)),
    example: requestCase('a bad escape', target('/a%zz')),
  },
  {
    id: 'go-pragma',
    peer: 'net/http',
    where: 'written',
    differences: ['fields'],
    reads: '`Pragma: no-cache` brings a `Cache-Control: no-cache` of its own making',
    why: 'RFC 9111 section 5.4 gives both one meaning. A condition on `cache-control` sees only what was sent.',
    applies: (ours) => ours.fields.some(([name, value]) => name.toLowerCase() === 'pragma' && value === 'no-cache'),
    example: requestCase('Pragma: no-cache', get('Pragma: no-cache')),
  },
];

/** In what clients and origins send us, which nobody sees who is behind us. */
const RAW: readonly KnownDifference[] = [
  {
    id: 'llhttp-extension',
    peer: 'llhttp',
    where: 'raw',
    differences: ['refused'],
    reads:
      'a chunk extension is refused if it has white space around it, no name, quotes that do not match, or 8-bit characters',
    why: REWRITTEN,
    applies: (_ours, one) => hasExtension(one),
    example: requestCase('an extension in white space', chunked('4 ; a = b\r\nabcd\r\n0\r\n\r\n')),
  },
  {
    id: 'h11-extension',
    peer: 'h11',
    where: 'raw',
    differences: ['refused'],
    reads: 'white space before the `;` of a chunk extension is refused',
    why: REWRITTEN,
    applies: (_ours, one) => hasExtension(one),
    example: requestCase('an extension in white space', chunked('4 ; a = b\r\nabcd\r\n0\r\n\r\n')),
  },
  {
    id: 'go-extension',
    peer: 'net/http',
    where: 'raw',
    differences: ['refused'],
    reads: 'white space before the `;` of a chunk extension is refused',
    why: REWRITTEN,
    applies: (_ours, one) => hasExtension(one),
    example: requestCase('an extension in white space', chunked('4 ; a = b\r\nabcd\r\n0\r\n\r\n')),
  },
  {
    id: 'llhttp-framing-tab',
    peer: 'llhttp',
    where: 'raw',
    differences: ['refused', 'body', 'incomplete', 'complete', 'end'],
    reads:
      'with a tab after it the value of `Transfer-Encoding` is no known coding: refused in requests, up to the end of the connection in responses',
    why: `${REWRITTEN} Fields leave without white space around their values.`,
    applies: (_ours, { bytes }) => /\r\ntransfer-encoding:[^\r]*\t[ \t]*\r\n/i.test(bytes),
    example: requestCase(
      'chunked in white space',
      'POST /a HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked \t\r\n\r\n0\r\n\r\n',
    ),
  },
  {
    id: 'llhttp-trailers',
    peer: 'llhttp',
    where: 'raw',
    differences: ['refused', 'incomplete'],
    reads: '`Content-Length` and `Transfer-Encoding` in a trailer section are checked as if they framed something',
    why: 'Both are taken out of trailer sections on the way, in either direction (RFC 9110 section 6.5.1).',
    applies: (ours) => trails(ours, 'content-length', 'transfer-encoding'),
    example: requestCase('Content-Length as a trailer', chunked('4\r\nabcd\r\n0\r\nContent-Length: 9\r\n\r\n')),
  },
  {
    id: 'llhttp-connect',
    peer: 'llhttp',
    where: 'raw',
    differences: ['complete'],
    reads: 'CONNECT has no body, whatever it declares',
    why: 'A CONNECT that declares one is refused, and no CONNECT is forwarded.',
    applies: (_ours, { bytes }) => /^CONNECT /i.test(bytes),
    example: requestCase(
      'CONNECT, chunked',
      'CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\nTransfer-Encoding: chunked\r\n\r\n',
    ),
  },
  {
    id: 'llhttp-interim',
    peer: 'llhttp',
    where: 'raw',
    differences: ['body', 'incomplete', 'refused', 'end'],
    reads: 'an interim answer (1xx) with a number that it does not know has a body if it declares one',
    why: 'Interim answers have no body (RFC 9112 section 6.3); we pass them on without `Content-Length` and `Transfer-Encoding`.',
    applies: (ours, { answerTo }) => answerTo !== null && /^1/.test(ours.start[0]),
    example: responseCase('199 with Content-Length', 'HTTP/1.1 199 A\r\nContent-Length: 4\r\n\r\nabcd'),
  },
  {
    id: 'h11-switching',
    peer: 'h11',
    where: 'raw',
    differences: ['refused'],
    reads: '101 is refused where no upgrade was asked for',
    why: 'It is refused by us too, after the head was read (`RESPONSE_INVALID`).',
    applies: (ours, { answerTo }) => answerTo !== null && ours.start[0] === '101',
    example: responseCase('101 that was not asked for', 'HTTP/1.1 101 Switching Protocols\r\n\r\n'),
  },
  {
    id: 'h11-trailers',
    peer: 'h11',
    where: 'raw',
    differences: ['refused', 'trailers'],
    reads:
      '`Content-Length` and `Transfer-Encoding` in a trailer section are checked, and equal ones made one, as if they framed something',
    why: 'Both are taken out of trailer sections on the way, in either direction (RFC 9110 section 6.5.1).',
    applies: (ours) => trails(ours, 'content-length', 'transfer-encoding'),
    example: requestCase('Content-Length as a trailer', chunked('4\r\nabcd\r\n0\r\nContent-Length: x\r\n\r\n')),
  },
  {
    id: 'go-absolute',
    peer: 'net/http',
    where: 'raw',
    differences: ['fields'],
    reads: 'of an absolute-form target the authority stands in place of `Host`, in its own spelling',
    why: 'We take such a target only if both name the same host, and forward it in origin-form.',
    applies: (ours, { answerTo }) => answerTo === null && !/^[/*]/.test(ours.start[1]),
    example: requestCase('the absolute form in capitals', target('HTTP://A.TEST/b')),
  },
  {
    id: 'nginx-absolute',
    peer: 'nginx',
    where: 'raw',
    differences: ['start', 'refused'],
    reads: 'an absolute-form target is passed on in origin-form',
    why: 'So it is by us.',
    applies: (ours, { answerTo }) => answerTo === null && !/^[/*]/.test(ours.start[1]),
    example: requestCase('the absolute form', target('http://a.test/b')),
  },
  {
    id: 'nginx-framing-tab',
    peer: 'nginx',
    where: 'raw',
    differences: ['refused', 'body'],
    reads:
      'a tab is no white space around the value of `Content-Length`, `Transfer-Encoding` or `Host`: refused in requests, no length in responses',
    why: `${REWRITTEN} Fields leave without white space around their values.`,
    applies: (_ours, { bytes }) => /\r\n(?:content-length|transfer-encoding|host):(?:[^\r]*\t)/i.test(bytes),
    example: requestCase(
      'a tab before a length',
      'POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: \t4\r\n\r\nabcd',
    ),
  },
  {
    id: 'nginx-interim',
    peer: 'nginx',
    where: 'raw',
    differences: ['incomplete'],
    reads: 'an interim answer (1xx) is taken for the answer, and `Transfer-Encoding` in it for its framing',
    why: 'Interim answers have no body (RFC 9112 section 6.3); we pass them on without `Transfer-Encoding`.',
    applies: (ours) => /^1/.test(ours.start[0]),
    example: responseCase(
      '103, chunked',
      'HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    ),
  },
  {
    id: 'nginx-http09',
    peer: 'nginx',
    where: 'raw',
    differences: ['complete'],
    reads: 'a line without a version is a whole HTTP/0.9 request',
    why: 'We wait for the rest of the head and refuse it then; nothing of it is forwarded.',
    applies: (_ours, { bytes }) => /^[\r\n]*[A-Z_-]+ [^\r\n]*\r?\n/.test(bytes),
    example: requestCase('HTTP/0.9', 'GET /\r\n'),
  },
];

export const KNOWN_DIFFERENCES: readonly KnownDifference[] = [...WRITTEN, ...RAW];

/** The known difference that this is; undefined for a new one. */
export function knownDifference(found: Found): KnownDifference | undefined {
  const ours = found.ours.kind === 'message' ? found.ours : NOTHING;
  return KNOWN_DIFFERENCES.find(
    ({ peer, where, differences, applies }) =>
      peer === found.peer &&
      (where === 'written' || !found.written) &&
      differences.includes(found.difference) &&
      applies(ours, found.one),
  );
}

export interface Found {
  readonly peer: PeerName;
  readonly difference: Difference;
  readonly ours: MessageReading;
  readonly one: Bytes;
  /** Whether the bytes are what we write. */
  readonly written: boolean;
}

/** Stands in for a message that we wait for. */
const NOTHING: Message = { kind: 'message', start: ['', ''], fields: [], body: '', trailers: [], end: null };
