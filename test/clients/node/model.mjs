/** model.mjs SDK: asks for an answer at once and in events, with nothing but the variables that the SDK itself reads; a word for each event. */
const messages = [{ role: 'user', content: 'say twenty words' }];
const acknowledge = async (host) => (await fetch(`${host}/ack`, { method: 'POST' })).text();

async function openai() {
  const { OpenAI } = await import('openai');
  const client = new OpenAI({ maxRetries: 0 });
  const answer = await client.chat.completions.create({ model: 'probe', messages });
  console.log(answer.choices[0].message.content);
  for await (const chunk of await client.chat.completions.create({ model: 'probe', messages, stream: true })) {
    process.stdout.write(chunk.choices[0].delta.content ?? '');
    await acknowledge('https://api.openai.com');
  }
  console.log();
}

async function anthropic() {
  const { Anthropic } = await import('@anthropic-ai/sdk');
  const client = new Anthropic({ maxRetries: 0 });
  const host = process.env.ANTHROPIC_BASE_URL ?? 'https://api.anthropic.com';
  const answer = await client.messages.create({ model: 'probe', max_tokens: 99, messages });
  console.log(answer.content[0].text);
  for await (const event of await client.messages.create({ model: 'probe', max_tokens: 99, messages, stream: true })) {
    if (event.type === 'content_block_delta') process.stdout.write(event.delta.text);
    await acknowledge(host);
  }
  console.log();
}

await { openai, anthropic }[process.argv[2]]();
