import { bodyPlaceholder } from './body-placeholder.ts';
import { clientLeaves } from './client-leaves.ts';
import { denied } from './denied.ts';
import { echoedSecret } from './echoed-secret.ts';
import { edited } from './edited.ts';
import { garbage } from './garbage.ts';
import { get } from './get.ts';
import { halfOpen } from './half-open.ts';
import { impatient } from './impatient.ts';
import { interim } from './interim.ts';
import type { Kind } from './kind.ts';
import { limited } from './limited.ts';
import { originFails } from './origin-fails.ts';
import { passthrough } from './passthrough.ts';
import { plain } from './plain.ts';
import { quarantine } from './quarantine.ts';
import { rawTcp } from './raw-tcp.ts';
import { rotated } from './rotated.ts';
import { slowReader } from './slow-reader.ts';
import { streams } from './streams.ts';
import { token } from './token.ts';
import { unreachable } from './unreachable.ts';
import { upload } from './upload.ts';
import { websocket } from './websocket.ts';
import { wildcard } from './wildcard.ts';

/** Every kind of traffic. A new one is a file, and a line here. */
export const kinds: readonly Kind[] = [
  get,
  upload,
  interim,
  streams,
  plain,
  websocket,
  passthrough,
  rawTcp,
  wildcard,
  token,
  echoedSecret,
  bodyPlaceholder,
  denied,
  garbage,
  unreachable,
  originFails,
  impatient,
  clientLeaves,
  slowReader,
  halfOpen,
  limited,
  edited,
  rotated,
  quarantine,
];
