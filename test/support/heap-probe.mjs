// Loaded into the program under test by `--import`: writes a heap snapshot to the path that the test sends. The product offers no such thing.
import { writeHeapSnapshot } from 'node:v8';
import { isMainThread } from 'node:worker_threads';

if (isMainThread && process.channel !== undefined) {
  process.on('message', (path) => {
    globalThis.gc();
    process.send(writeHeapSnapshot(path));
  });
  // The program must end as if nobody could ask.
  process.channel.unref();
}
