/**
 * The variables in which SDKs and tools look for their key, by the host that they send it to. Most refuse to start without one, although
 * the proxy knows it better. The names are the programs' own; a program that changed its mind costs a key that it does not see.
 */
export interface SdkKey {
  readonly host: string;
  readonly variables: readonly string[];
  /** Lower-case fields that carry the key: a placeholder helps only where it may stand in one of them. */
  readonly fields: readonly string[];
}

const BEARER = ['authorization'];

export const SDK_KEYS: readonly SdkKey[] = [
  // Models.
  { host: 'api.openai.com', variables: ['OPENAI_API_KEY'], fields: BEARER },
  { host: 'api.anthropic.com', variables: ['ANTHROPIC_API_KEY'], fields: ['x-api-key', 'authorization'] },
  {
    host: 'generativelanguage.googleapis.com',
    variables: ['GEMINI_API_KEY', 'GOOGLE_API_KEY'],
    fields: ['x-goog-api-key', 'authorization'],
  },
  { host: 'api.mistral.ai', variables: ['MISTRAL_API_KEY'], fields: BEARER },
  { host: 'api.groq.com', variables: ['GROQ_API_KEY'], fields: BEARER },
  { host: 'api.cohere.com', variables: ['CO_API_KEY'], fields: BEARER },
  { host: 'api.deepseek.com', variables: ['DEEPSEEK_API_KEY'], fields: BEARER },
  { host: 'api.x.ai', variables: ['XAI_API_KEY'], fields: BEARER },
  { host: 'api.together.xyz', variables: ['TOGETHER_API_KEY'], fields: BEARER },
  { host: 'openrouter.ai', variables: ['OPENROUTER_API_KEY'], fields: BEARER },
  { host: 'huggingface.co', variables: ['HF_TOKEN'], fields: BEARER },
  { host: 'api.replicate.com', variables: ['REPLICATE_API_TOKEN'], fields: BEARER },
  // Code.
  { host: 'api.github.com', variables: ['GITHUB_TOKEN', 'GH_TOKEN'], fields: BEARER },
  { host: 'github.com', variables: ['GITHUB_TOKEN', 'GH_TOKEN'], fields: BEARER },
  { host: 'gitlab.com', variables: ['GITLAB_TOKEN'], fields: ['private-token', 'authorization'] },
  // Packages.
  { host: 'registry.npmjs.org', variables: ['NPM_TOKEN', 'NODE_AUTH_TOKEN'], fields: BEARER },
  { host: 'upload.pypi.org', variables: ['TWINE_PASSWORD', 'UV_PUBLISH_TOKEN'], fields: BEARER },
  { host: 'crates.io', variables: ['CARGO_REGISTRY_TOKEN'], fields: BEARER },
  // Services.
  { host: 'api.cloudflare.com', variables: ['CLOUDFLARE_API_TOKEN'], fields: BEARER },
  { host: 'sentry.io', variables: ['SENTRY_AUTH_TOKEN'], fields: BEARER },
];
