import { spawn } from 'node:child_process';
import type { IncomingMessage, ServerResponse } from 'node:http';

/** Git's own server, `git http-backend`, behind the origin: it clones, fetches and takes pushes from whoever was let in. */
export function gitServer(
  root: () => string,
): (request: IncomingMessage, response: ServerResponse, path: string) => void {
  return (request, response, path) => {
    const { method = '', headers, url = '' } = request;
    const child = spawn('git', ['http-backend'], {
      env: {
        PATH: process.env.PATH,
        GIT_CONFIG_NOSYSTEM: '1',
        GIT_PROJECT_ROOT: root(),
        GIT_HTTP_EXPORT_ALL: '1',
        // Whoever has a name may push.
        REMOTE_USER: 'someone',
        REQUEST_METHOD: method,
        PATH_INFO: path,
        QUERY_STRING: url.split('?')[1] ?? '',
        CONTENT_TYPE: headers['content-type'] ?? '',
        HTTP_CONTENT_ENCODING: String(headers['content-encoding'] ?? ''),
        GIT_PROTOCOL: String(headers['git-protocol'] ?? ''),
      },
    });
    child.stdin.on('error', () => {});
    request.pipe(child.stdin);
    answerFromCgi(child.stdout, response);
  };
}

/** RFC 3875 6: fields, an empty line, a body; the status stands among the fields. */
function answerFromCgi(output: NodeJS.ReadableStream, response: ServerResponse): void {
  let head = Buffer.alloc(0);
  const read = (bytes: Buffer): void => {
    head = Buffer.concat([head, bytes]);
    const end = head.indexOf('\r\n\r\n');
    if (end < 0) return;
    output.off('data', read);
    let status = 200;
    for (const line of head.toString('latin1', 0, end).split('\r\n')) {
      const [name = '', value = ''] = line.split(/: (.*)/);
      if (name === 'Status') status = Number.parseInt(value, 10);
      else response.setHeader(name, value);
    }
    response.writeHead(status);
    response.write(head.subarray(end + 4));
    output.pipe(response);
  };
  output.on('data', read);
  output.on('end', () => response.end());
}
