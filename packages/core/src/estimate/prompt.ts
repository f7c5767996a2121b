/** What is known of a prompt before an engine has counted it. */
export interface PromptSize {
  /** UTF-8 bytes of everything that the model will read as text: messages with their roles, tools, schemas. */
  readonly bytes: number;
  readonly images: number;
}

export interface PromptEstimate {
  /** Expected tokens, for placement. */
  readonly promptTokens: number;
  /** Most tokens that it may turn out to be: held against quota and budget, so that no budget is ever passed. */
  readonly promptTokensMax: number;
}

/** English runs at about four bytes a token in the vocabularies of 32,000 to 256,000 entries that local models use. */
const EXPECTED_BYTES_PER_TOKEN = 4;
/** No vocabulary makes more than one token of a byte: those of today spell digits one by one, and rare scripts in bytes. */
const LEAST_BYTES_PER_TOKEN = 1;
/** What a chat template adds around the messages, beyond the roles that count as text. */
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
