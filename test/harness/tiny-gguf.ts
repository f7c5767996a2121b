import { ggufFile } from "./gguf-file.ts";
import type { GgufTensor } from "./gguf-file.ts";

/**
 * A model of the llama architecture with random weights: it talks nonsense, but llama.cpp does with it
 * everything that it does with a real one. The same settings give the same file.
 */
export interface TinyModel {
  readonly seed: number;
  readonly layers: number;
  /** Length of the hidden vector; a multiple of 64. */
  readonly width: number;
  /** Context that the model claims to be made for, tokens. */
  readonly contextTokens: number;
  /**
   * What the logit of the end of a text has over the others': about 3 ends an answer after some dozens of
   * tokens, -40 lets it go on for ever.
   */
  readonly endLogit: number;
}

/** Length of one attention head, elements. */
export const HEAD_WIDTH = 32;
const FEED_FORWARD_FACTOR = 2;
/**
 * Element 0 of the hidden vector is the same for every token and no layer writes to it, so that an output
 * row's element 0 acts as a bias, which the architecture itself lacks.
 */
const CONSTANT = 4;
/** About what the constant is behind the last normalisation. */
const NORMALISED_CONSTANT = 3;
/** Spread of the logits: not so wide that one token takes all, not so narrow that all are alike. */
const LOGIT_SPREAD = 2;
const NEVER = -40;
/** Bytes are rarer than words in the output, so that most of it is text. */
const BYTE_LOGIT = -3;

const WORDS =
  "a and are at be but by can co come day do every fine for from good has have hello here home how in is it machine make model morning no not of on one or other our people say share so some story tell that the their them there they this time to together two very was we weather well what when will with word work world write you your" +
  " . , ! ?";

const CHAT_TEMPLATE =
  "{{ bos_token }}{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|over|>{% endfor %}" +
  "{% if add_generation_prompt %}<|assistant|>{% endif %}";

interface TokenKind {
  readonly text: string;
  /** The tokenizer merges what scores higher first. */
  readonly score: number;
  /** The format's number for the kind. */
  readonly type: number;
  readonly logit: number;
}

const TOKEN_TYPE = { normal: 1, unknown: 2, control: 3, byte: 6 } as const;
const BEGIN = 1;
const END = 2;

/** Control tokens, every byte, and the words with all their beginnings, through which the tokenizer merges. */
function vocabulary(endLogit: number): readonly TokenKind[] {
  const control = (text: string, logit = NEVER): TokenKind => ({
    text,
    score: 0,
    type: TOKEN_TYPE.control,
    logit,
  });
  const bytes = Array.from({ length: 256 }, (_, byte) => ({
    text: `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
    score: 0,
    type: TOKEN_TYPE.byte,
    logit: BYTE_LOGIT,
  }));
  const beginnings = new Set(
    WORDS.split(" ").flatMap((word) =>
      Array.from({ length: word.length + 1 }, (_, length) => `▁${word.slice(0, length)}`),
    ),
  );
  return [
    { text: "<unk>", score: 0, type: TOKEN_TYPE.unknown, logit: NEVER },
    control("<s>"),
    control("</s>", endLogit),
    ...["<|system|>", "<|user|>", "<|assistant|>", "<|tool|>", "<|over|>"].map((text) => control(text)),
    ...bytes,
    ...[...beginnings].map((text) => ({ text, score: text.length, type: TOKEN_TYPE.normal, logit: 0 })),
  ];
}

/** @returns the bytes of a GGUF file */
export function tinyGguf(model: TinyModel): Buffer {
  const { layers, width, contextTokens } = model;
  const tokens = vocabulary(model.endLogit);
  return ggufFile(
    {
      "general.architecture": { kind: "string", value: "llama" },
      "general.name": { kind: "string", value: `tiny random ${layers}x${width}` },
      "general.file_type": { kind: "u32", value: 0 },
      "llama.vocab_size": { kind: "u32", value: tokens.length },
      "llama.context_length": { kind: "u32", value: contextTokens },
      "llama.embedding_length": { kind: "u32", value: width },
      "llama.block_count": { kind: "u32", value: layers },
      "llama.feed_forward_length": { kind: "u32", value: width * FEED_FORWARD_FACTOR },
      "llama.attention.head_count": { kind: "u32", value: width / HEAD_WIDTH },
      "llama.attention.head_count_kv": { kind: "u32", value: width / HEAD_WIDTH },
      "llama.attention.layer_norm_rms_epsilon": { kind: "f32", value: 1e-5 },
      "llama.rope.dimension_count": { kind: "u32", value: HEAD_WIDTH },
      "tokenizer.ggml.model": { kind: "string", value: "llama" },
      "tokenizer.ggml.tokens": { kind: "strings", value: tokens.map(({ text }) => text) },
      "tokenizer.ggml.scores": { kind: "f32s", value: tokens.map(({ score }) => score) },
      "tokenizer.ggml.token_type": { kind: "i32s", value: tokens.map(({ type }) => type) },
      "tokenizer.ggml.bos_token_id": { kind: "u32", value: BEGIN },
      "tokenizer.ggml.eos_token_id": { kind: "u32", value: END },
      "tokenizer.ggml.unknown_token_id": { kind: "u32", value: 0 },
      "tokenizer.chat_template": { kind: "string", value: CHAT_TEMPLATE },
    },
    tensorsOf(model, tokens),
  );
}

function tensorsOf({ seed, layers, width }: TinyModel, tokens: readonly TokenKind[]): readonly GgufTensor[] {
  const normal = normals(seed);
  const wide = width * FEED_FORWARD_FACTOR;
  const ones = (name: string): GgufTensor => ({
    name,
    shape: [width],
    values: new Float32Array(width).fill(1),
  });
  const random = (name: string, rowLength: number, rows: number, spread: number): GgufTensor => ({
    name,
    shape: [rowLength, rows],
    values: Float32Array.from({ length: rowLength * rows }, () => spread * normal()),
  });
  /** Writes to the hidden vector, but not to its constant: row 0 is empty. */
  const residual = (name: string, rowLength: number): GgufTensor => {
    const tensor = random(name, rowLength, width, 1 / Math.sqrt(rowLength));
    tensor.values.fill(0, 0, rowLength);
    return tensor;
  };
  /** Sets element 0 of each row. */
  const withFirst = (tensor: GgufTensor, first: (row: number) => number): GgufTensor => {
    for (const row of tokens.keys()) tensor.values[row * width] = first(row);
    return tensor;
  };
  const isChosen = (row: number): boolean => tokens[row]?.type !== TOKEN_TYPE.control;
  const output = random("output.weight", width, tokens.length, LOGIT_SPREAD / Math.sqrt(width));
  // A control token's logit is its bias alone.
  for (const row of tokens.keys()) if (!isChosen(row)) output.values.fill(0, row * width, (row + 1) * width);
  return [
    withFirst(random("token_embd.weight", width, tokens.length, 1), () => CONSTANT),
    ones("output_norm.weight"),
    withFirst(output, (row) => (tokens[row]?.logit ?? 0) / NORMALISED_CONSTANT),
    ...Array.from({ length: layers }, (_, layer) => [
      ones(`blk.${layer}.attn_norm.weight`),
      random(`blk.${layer}.attn_q.weight`, width, width, 1 / Math.sqrt(width)),
      random(`blk.${layer}.attn_k.weight`, width, width, 1 / Math.sqrt(width)),
      random(`blk.${layer}.attn_v.weight`, width, width, 1 / Math.sqrt(width)),
      residual(`blk.${layer}.attn_output.weight`, width),
      ones(`blk.${layer}.ffn_norm.weight`),
      random(`blk.${layer}.ffn_gate.weight`, width, wide, 1 / Math.sqrt(width)),
      random(`blk.${layer}.ffn_up.weight`, width, wide, 1 / Math.sqrt(width)),
      residual(`blk.${layer}.ffn_down.weight`, wide),
    ]).flat(),
  ];
}

/** Random numbers of a normal distribution, the same for the same seed. */
function normals(seed: number): () => number {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (((mixed ^ (mixed >>> 14)) >>> 0) + 0.5) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}
