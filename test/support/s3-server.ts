import type { IncomingMessage } from 'node:http';
import type { Answer } from './client-origin.ts';

/** As much of S3 as a client needs to put an object and get it back, by `/BUCKET/KEY`, and the one question of STS. */
export function s3Server(): Answer {
  const objectByPath = new Map<string, Buffer>();
  return (request, response, path) => {
    void bodyOf(request).then((body) => {
      response.setHeader('x-amz-request-id', '1');
      if (request.method === 'POST') return response.writeHead(200, { 'content-type': 'text/xml' }).end(IDENTITY);
      if (request.method === 'PUT') objectByPath.set(path, objectIn(request, body));
      const object = objectByPath.get(path);
      if (object === undefined) return response.writeHead(404).end();
      const common = { etag: '"1"', 'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT' };
      if (request.method === 'PUT') return response.writeHead(200, common).end();
      response.writeHead(200, { ...common, 'content-length': object.length });
      return response.end(request.method === 'HEAD' ? undefined : object);
    });
  };
}

/** What GetCallerIdentity answers. */
export const ACCOUNT = '123456789012';
const IDENTITY = `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:iam::${ACCOUNT}:user/probe</Arn><UserId>PROBE</UserId><Account>${ACCOUNT}</Account>
</GetCallerIdentityResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetCallerIdentityResponse>`;

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

/** `aws-chunked` has lengths, and a checksum as its trailer, inside of the body (docs: AmazonS3/latest/API/sigv4-streaming-trailers). */
function objectIn({ headers }: IncomingMessage, body: Buffer): Buffer {
  if (!/aws-chunked/.test(String(headers['content-encoding']))) return body;
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = body.indexOf('\r\n', at);
    const length = Number.parseInt(body.toString('latin1', at, lineEnd), 16);
    if (!(length > 0)) break;
    parts.push(body.subarray(lineEnd + 2, lineEnd + 2 + length));
    at = lineEnd + 2 + length + 2;
  }
  const object = Buffer.concat(parts);
  if (object.length !== Number(headers['x-amz-decoded-content-length'])) throw new Error('an object of another length');
  return object;
}
