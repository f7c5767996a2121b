/** What is known of a prompt before an engine has counted it. */
export interface PromptSize {
  /** UTF-8 bytes of everything that the model will read as text: messages with their roles, tools, schemas. */
  readonly bytes: number;
  readonly images: number;
}

export interface PromptEstimate {
  /** Expected tokens, for placement. */
  readonly promptTokens: number;
  /** Tokens held against quota and budget. Text above it is absorbed by the co-op, never charged to the member. */
  readonly promptTokensMax: number;
}

/** English runs at about four bytes a token in the vocabularies of 32,000 to 256,000 entries that local models use. */
const EXPECTED_BYTES_PER_TOKEN = 4;
/** Code, digits and scripts beyond Latin stay above two bytes a token in all but contrived text. */
const LEAST_BYTES_PER_TOKEN = 2;
/** What a chat template adds around the messages. */
const TEMPLATE_TOKENS = 64;
/** An image becomes 256 to about 1,000 tokens in the vision models that run at home. */
const TOKENS_PER_IMAGE = 1000;

/** Bounds the tokens of a prompt from its bytes alone, without a tokenizer. */
export function estimatePrompt({ bytes, images }: PromptSize): PromptEstimate {
  const imageTokens = images * TOKENS_PER_IMAGE;
  return {
    promptTokens: Math.max(1, Math.ceil(bytes / EXPECTED_BYTES_PER_TOKEN)) + imageTokens,
    promptTokensMax: Math.ceil(bytes / LEAST_BYTES_PER_TOKEN) + TEMPLATE_TOKENS + imageTokens,
  };
}
