/** s3.mjs: puts an object of 1 MiB to the S3 that the variables of the SDK name, as bytes and as a stream, gets each back and prints whether they are the same. */
import { Agent } from 'node:https';
import { Readable } from 'node:stream';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';

const BODY = Buffer.alloc(1024 * 1024, 'x');
// The SDK makes an agent of its own, which reads no variable unless it is told to.
const requestHandler = { httpsAgent: new Agent({ keepAlive: true, proxyEnv: process.env }) };
const client = new S3Client({ forcePathStyle: true, maxAttempts: 1, requestHandler });

for (const [Key, Body] of Object.entries({ bytes: BODY, stream: Readable.from([BODY]) })) {
  await client.send(new PutObjectCommand({ Bucket: 'bucket', Key, Body, ContentLength: BODY.length }));
  const answer = await client.send(new GetObjectCommand({ Bucket: 'bucket', Key }));
  console.log(BODY.equals(await answer.Body.transformToByteArray()));
}
