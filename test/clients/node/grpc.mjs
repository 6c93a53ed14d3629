/** grpc.mjs HOST:PORT: UnaryCall of the interop service with an answer of 64 KiB; prints how long the message was. */
import { Client, credentials } from '@grpc/grpc-js';

// SimpleRequest, with response_size = 65536.
const REQUEST = Buffer.from([0x10, 0x80, 0x80, 0x04]);
const asIs = (bytes) => bytes;

const client = new Client(process.argv[2], credentials.createSsl());
client.makeUnaryRequest('/grpc.testing.TestService/UnaryCall', asIs, asIs, REQUEST, (error, answer) => {
  if (error) throw error;
  console.log(answer.length);
  client.close();
});
