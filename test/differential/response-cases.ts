import { type Case, responseCase } from './message.ts';

const END = '\r\n\r\n';
const LAST = '0\r\n\r\n';
const ok = (...lines: readonly string[]): string => ['HTTP/1.1 200 OK', ...lines].join('\r\n') + END;
const chunked = (body: string): string => ok('Transfer-Encoding: chunked') + body;
const status = (line: string, ...lines: readonly string[]): string => [line, ...lines].join('\r\n') + END;
const NEXT = ok('Content-Length: 0');

type Row = readonly [name: string, bytes: string, answerTo?: string];

const FRAMING: readonly Row[] = [
  ['Content-Length', `${ok('Content-Length: 4')}abcd`],
  ['Content-Length and what follows', `${ok('Content-Length: 4')}abcd${NEXT}`],
  ['no length', `${ok()}abcd`],
  ['no length and no body', ok()],
  ['Content-Length that is cut', `${ok('Content-Length: 5')}abcd`],
  ['Content-Length twice, the same', `${ok('Content-Length: 4', 'Content-Length: 4')}abcd`],
  ['Content-Length twice, another', `${ok('Content-Length: 4', 'Content-Length: 2')}abcd`],
  ['Content-Length as a list', `${ok('Content-Length: 4, 4')}abcd`],
  ['Content-Length with a sign', `${ok('Content-Length: +4')}abcd`],
  ['Content-Length below zero', `${ok('Content-Length: -1')}abcd`],
  ['Content-Length in hexadecimal', `${ok('Content-Length: 0x4')}abcd`],
  ['an empty Content-Length', `${ok('Content-Length:')}abcd`],
  ['Content-Length with leading zeros', `${ok('Content-Length: 0004')}abcd`],
  ['Content-Length with a space before the colon', `${ok('Content-Length : 4')}abcd`],
  ['Content-Length of 2^64 and 4', `${ok('Content-Length: 18446744073709551620')}abcd`],
  ['Content-Length and chunked', `${ok('Content-Length: 3', 'Transfer-Encoding: chunked')}${LAST}`],
  ['chunked and Content-Length', `${ok('Transfer-Encoding: chunked', 'Content-Length: 3')}${LAST}`],
  ['chunked twice', `${ok('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked')}${LAST}`],
  ['gzip before chunked', `${ok('Transfer-Encoding: gzip, chunked')}${LAST}`],
  ['chunked before gzip', `${ok('Transfer-Encoding: chunked, gzip')}${LAST}`],
  ['gzip', `${ok('Transfer-Encoding: gzip')}abcd`],
  ['identity', `${ok('Transfer-Encoding: identity')}abcd`],
  ['identity and Content-Length', `${ok('Transfer-Encoding: identity', 'Content-Length: 2')}abcd`],
  ['an empty Transfer-Encoding', `${ok('Transfer-Encoding:')}abcd`],
  ['chunked in capitals', `${ok('Transfer-Encoding: CHUNKED')}${LAST}`],
  ['chunked with a vertical tab', `${ok('Transfer-Encoding: \x0bchunked')}${LAST}`],
  ['chunked in HTTP/1.0', `${status('HTTP/1.0 200 OK', 'Transfer-Encoding: chunked')}${LAST}`],
  ['Content-Length in HTTP/1.0', `${status('HTTP/1.0 200 OK', 'Content-Length: 4')}abcd`],
  ['no length in HTTP/1.0', `${status('HTTP/1.0 200 OK')}abcd`],
  ['Connection: close and Content-Length', `${ok('Connection: close', 'Content-Length: 4')}abcd`],
  ['Connection: keep-alive without a length', `${ok('Connection: keep-alive')}abcd`],
];

const CHUNKS: readonly Row[] = [
  ['chunks', chunked(`4\r\nabcd\r\n${LAST}`)],
  ['chunks and what follows', chunked(`4\r\nabcd\r\n${LAST}${NEXT}`)],
  ['chunks that are cut', chunked('4\r\nabcd\r\n')],
  ['a chunk that is cut', chunked('4\r\nab')],
  ['a trailer section that is cut', chunked('4\r\nabcd\r\n0\r\nX: y\r\n')],
  ['a trailer', chunked('4\r\nabcd\r\n0\r\nX: y\r\n\r\n')],
  ['a trailer that was announced', `${ok('Trailer: X', 'Transfer-Encoding: chunked')}4\r\nabcd\r\n0\r\nX: y\r\n\r\n`],
  ['Content-Length as a trailer', chunked('4\r\nabcd\r\n0\r\nContent-Length: 9\r\n\r\n')],
  ['Set-Cookie as a trailer', chunked('4\r\nabcd\r\n0\r\nSet-Cookie: a=b\r\n\r\n')],
  ['an extension', chunked(`4;a="b"\r\nabcd\r\n${LAST}`)],
  ['an extension in 8-bit characters', chunked(`4;a=\xe9\r\nabcd\r\n${LAST}`)],
  ['a space after the size', chunked(`4 \r\nabcd\r\n${LAST}`)],
  ['a size ended by LF', chunked(`4\nabcd\r\n${LAST}`)],
  ['data ended by LF', chunked(`4\r\nabcd\n${LAST}`)],
  ['a size that is no number', chunked('xyz\r\n')],
  ['the trailer section ended by LF', chunked('4\r\nabcd\r\n0\r\n\n')],
];

const NO_BODY: readonly Row[] = [
  ['the answer to HEAD', ok('Content-Length: 4'), 'HEAD'],
  ['the answer to HEAD, chunked', ok('Transfer-Encoding: chunked'), 'HEAD'],
  ['the answer to HEAD without a length', ok(), 'HEAD'],
  ['the answer to HEAD with a body all the same', `${ok('Content-Length: 4')}abcd`, 'HEAD'],
  ['204', status('HTTP/1.1 204 No Content')],
  ['204 with Content-Length: 0', status('HTTP/1.1 204 No Content', 'Content-Length: 0')],
  ['204 with Content-Length', `${status('HTTP/1.1 204 No Content', 'Content-Length: 4')}abcd`],
  ['204, chunked', `${status('HTTP/1.1 204 No Content', 'Transfer-Encoding: chunked')}${LAST}`],
  ['304', status('HTTP/1.1 304 Not Modified', 'ETag: "a"')],
  ['304 with Content-Length', status('HTTP/1.1 304 Not Modified', 'Content-Length: 4')],
  ['304, chunked', status('HTTP/1.1 304 Not Modified', 'Transfer-Encoding: chunked')],
  ['205 with Content-Length: 0', status('HTTP/1.1 205 Reset Content', 'Content-Length: 0')],
  ['205 with a body', `${status('HTTP/1.1 205 Reset Content', 'Content-Length: 4')}abcd`],
  ['100', status('HTTP/1.1 100 Continue')],
  ['100 and what follows', `${status('HTTP/1.1 100 Continue')}${NEXT}`],
  ['103 with fields', status('HTTP/1.1 103 Early Hints', 'Link: </a>; rel=preload')],
  ['103 with Content-Length', `${status('HTTP/1.1 103 Early Hints', 'Content-Length: 4')}${NEXT}`],
  ['103, chunked', `${status('HTTP/1.1 103 Early Hints', 'Transfer-Encoding: chunked')}${NEXT}`],
  ['199 with Content-Length', `${status('HTTP/1.1 199 Nobody Knows', 'Content-Length: 4')}${NEXT}`],
  ['199, chunked', `${status('HTTP/1.1 199 Nobody Knows', 'Transfer-Encoding: chunked')}${NEXT}`],
  [
    '101 that was not asked for',
    status('HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: websocket'),
  ],
  ['199', status('HTTP/1.1 199 Nobody Knows')],
];

const LINES: readonly Row[] = [
  ['no reason', status('HTTP/1.1 200 ', 'Content-Length: 0')],
  ['no reason and no space', status('HTTP/1.1 200', 'Content-Length: 0')],
  ['a reason in 8-bit characters', status('HTTP/1.1 200 \xc7a va', 'Content-Length: 0')],
  ['a reason with white space', status('HTTP/1.1 200  O \t K ', 'Content-Length: 0')],
  ['a bare CR in the reason', status('HTTP/1.1 200 O\rK', 'Content-Length: 0')],
  ['NUL in the reason', status('HTTP/1.1 200 O\0K', 'Content-Length: 0')],
  ['a status of four digits', status('HTTP/1.1 2000 OK', 'Content-Length: 0')],
  ['a status of two digits', status('HTTP/1.1 20 OK', 'Content-Length: 0')],
  ['a status below 100', status('HTTP/1.1 099 OK', 'Content-Length: 0')],
  ['a status of 999', status('HTTP/1.1 999 OK', 'Content-Length: 0')],
  ['a status of 600', status('HTTP/1.1 600 OK', 'Content-Length: 0')],
  ['a status with a sign', status('HTTP/1.1 +20 OK', 'Content-Length: 0')],
  ['two spaces before the status', status('HTTP/1.1  200 OK', 'Content-Length: 0')],
  ['a tab before the status', status('HTTP/1.1\t200 OK', 'Content-Length: 0')],
  ['a tab after the status', status('HTTP/1.1 200\tOK', 'Content-Length: 0')],
  ['HTTP/1.0', status('HTTP/1.0 200 OK', 'Content-Length: 0')],
  ['HTTP/1.2', status('HTTP/1.2 200 OK', 'Content-Length: 0')],
  ['HTTP/2', status('HTTP/2 200', 'Content-Length: 0')],
  ['http/1.1', status('http/1.1 200 OK', 'Content-Length: 0')],
  ['ICY', status('ICY 200 OK', 'Content-Length: 0')],
  ['HTTP/0.9', 'abcd'],
  ['an empty line before', `\r\n${ok('Content-Length: 0')}`],
  ['a bare LF after the status line', 'HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n'],
  ['a bare LF everywhere', 'HTTP/1.1 200 OK\nContent-Length: 0\n\n'],
];

const FIELDS: readonly Row[] = [
  ['fields', ok('Content-Length: 0', 'X-A: 1', 'x-a: 2', 'Set-Cookie: a=b', 'Set-Cookie: c=d')],
  ['a folded field', ok('X: a', ' b', 'Content-Length: 0')],
  ['a fold before the first field', status('HTTP/1.1 200 OK', ' X: a', 'Content-Length: 0')],
  ['a space before the colon', ok('X : a', 'Content-Length: 0')],
  ['a field without colon', ok('nonsense', 'Content-Length: 0')],
  ['a field without name', ok(': a', 'Content-Length: 0')],
  ['NUL in a value', ok('X: a\0b', 'Content-Length: 0')],
  ['a bell in a value', ok('X: a\x07b', 'Content-Length: 0')],
  ['DEL in a value', ok('X: a\x7fb', 'Content-Length: 0')],
  ['a bare CR in a value', ok('X: a\rb', 'Content-Length: 0')],
  ['a bare LF in a value', ok('X: a\nb', 'Content-Length: 0')],
  ['8-bit characters in a value', ok('X: \xe9', 'Content-Length: 0')],
  ['white space around a value', ok('X: \t a b \t', 'Content-Length: 0')],
  ['an empty value', ok('X:', 'Content-Length: 0')],
  ['a name with an underscore', ok('X_y: a', 'Content-Length: 0')],
  ['a name of all token characters', ok("!#$%&'*+-.^_`|~09azAZ: a", 'Content-Length: 0')],
  ['a name with a space inside', ok('X y: a', 'Content-Length: 0')],
  ['Pragma: no-cache', ok('Pragma: no-cache', 'Content-Length: 0')],
  ['Alt-Svc', ok('Alt-Svc: h3=":443"', 'Content-Length: 0')],
  ['hop-by-hop fields', ok('Connection: x-hop', 'X-Hop: a', 'Keep-Alive: timeout=5', 'Content-Length: 0')],
];

/** Responses, each named for what is tried; after each the connection ends. */
export const RESPONSES: readonly Case[] = [...FRAMING, ...CHUNKS, ...NO_BODY, ...LINES, ...FIELDS].map(
  ([name, bytes, answerTo]) => responseCase(name, bytes, answerTo),
);
