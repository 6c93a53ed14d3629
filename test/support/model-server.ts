import type { ServerResponse } from 'node:http';
import { AcknowledgedEvents } from './client-events.ts';
import type { Answer } from './client-origin.ts';

/** Pieces of what the model says. */
const WORDS = Array.from({ length: 20 }, (_, number) => `word${number} `);
export const SAID = WORDS.join('');

/** How an API writes an answer at once, and in events. */
interface Format {
  readonly path: string;
  readonly whole: object;
  readonly frames: readonly string[];
}

const chunk = (delta: object, finish_reason: string | null = null): object => ({
  ...{ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'probe' },
  choices: [{ index: 0, delta, finish_reason }],
});
const data = (value: object): string => `data: ${JSON.stringify(value)}\n\n`;

export const OPENAI: Format = {
  path: '/v1/chat/completions',
  whole: {
    ...{ id: 'chatcmpl-1', object: 'chat.completion', created: 1, model: 'probe' },
    choices: [{ index: 0, message: { role: 'assistant', content: SAID }, finish_reason: 'stop' }],
  },
  frames: [
    data(chunk({ role: 'assistant', content: '' })),
    ...WORDS.map((content) => data(chunk({ content }))),
    `${data(chunk({}, 'stop'))}data: [DONE]\n\n`,
  ],
};

const message = (content: readonly object[], stop_reason: string | null): object => ({
  ...{ id: 'msg_1', type: 'message', role: 'assistant', model: 'probe', content, stop_reason, stop_sequence: null },
  usage: { input_tokens: 1, output_tokens: WORDS.length },
});
const event = (value: { readonly type: string; readonly [key: string]: unknown }): string =>
  `event: ${value.type}\n${data(value)}`;

export const ANTHROPIC: Format = {
  path: '/v1/messages',
  whole: message([{ type: 'text', text: SAID }], 'end_turn'),
  frames: [
    event({ type: 'message_start', message: message([], null) }),
    event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
    ...WORDS.map((text) => event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } })),
    event({ type: 'content_block_stop', index: 0 }),
    event({
      type: 'message_delta',
      delta: { stop_reason: 'end_turn', stop_sequence: null },
      usage: { output_tokens: 20 },
    }),
    event({ type: 'message_stop' }),
  ],
};

export interface ModelServer {
  readonly answer: Answer;
  readonly timesMs: readonly number[];
}

/** Answers like the API, with a stream of which each event waits for `POST /ack`. */
export function modelServer({ path: wanted, whole, frames }: Format): ModelServer {
  const events = new AcknowledgedEvents();
  const reply = (body: string, response: ServerResponse): void => {
    const { stream = false } = JSON.parse(body) as { readonly stream?: boolean };
    if (stream) events.begin(response, frames);
    else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(whole));
  };
  const answer: Answer = (request, response, path) => {
    let body = '';
    request.setEncoding('utf8').on('data', (part: string) => {
      body += part;
    });
    request.on('end', () => {
      if (path === '/ack') events.acknowledge(response);
      else if (path === wanted) reply(body, response);
      else response.writeHead(404).end('{}');
    });
  };
  return { answer, timesMs: events.timesMs };
}
