/** Writing GGUF, the file format of llama.cpp's models. Pure: values in, bytes out. */

/** A value of a file's metadata, in a type that the format knows. */
export type GgufValue =
  | { readonly kind: "u32"; readonly value: number }
  | { readonly kind: "f32"; readonly value: number }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "strings"; readonly value: readonly string[] }
  | { readonly kind: "f32s"; readonly value: readonly number[] }
  | { readonly kind: "i32s"; readonly value: readonly number[] };

/** A tensor in 32-bit floats. */
export interface GgufTensor {
  readonly name: string;
  /** The length of a row first, then the number of rows. */
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

const VERSION = 3;
const ALIGNMENT_BYTES = 32;
/** The format's numbers for the types. */
const TYPE = { u32: 4, i32: 5, f32: 6, string: 8, array: 9 } as const;
const TENSOR_F32 = 0;

/** @returns the whole file: header, metadata, the tensors' directory, the tensors */
export function ggufFile(
  metadata: Readonly<Record<string, GgufValue>>,
  tensors: readonly GgufTensor[],
): Buffer {
  const entries = Object.entries(metadata);
  const head = [Buffer.from("GGUF"), u32(VERSION), u64(tensors.length), u64(entries.length)];
  for (const [key, value] of entries) head.push(text(key), ...encoded(value));
  const data: Buffer[] = [];
  let offset = 0;
  for (const { name, shape, values } of tensors) {
    head.push(text(name), u32(shape.length), ...shape.map(u64), u32(TENSOR_F32), u64(offset));
    const bytes = aligned(f32s(values));
    data.push(bytes);
    offset += bytes.length;
  }
  return Buffer.concat([aligned(Buffer.concat(head)), ...data]);
}

function encoded(item: GgufValue): readonly Buffer[] {
  switch (item.kind) {
    case "u32":
      return [u32(TYPE.u32), u32(item.value)];
    case "f32":
      return [u32(TYPE.f32), f32s([item.value])];
    case "string":
      return [u32(TYPE.string), text(item.value)];
    case "strings":
      return [...arrayHead(TYPE.string, item.value.length), ...item.value.map(text)];
    case "f32s":
      return [...arrayHead(TYPE.f32, item.value.length), f32s(item.value)];
    case "i32s":
      return [...arrayHead(TYPE.i32, item.value.length), Buffer.concat(item.value.map(i32))];
  }
}

const arrayHead = (type: number, length: number): readonly Buffer[] => [
  u32(TYPE.array),
  u32(type),
  u64(length),
];

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function i32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function f32s(values: Iterable<number> & { readonly length: number }): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  let offset = 0;
  for (const value of values) offset = bytes.writeFloatLE(value, offset);
  return bytes;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([u64(bytes.length), bytes]);
}

function aligned(bytes: Buffer): Buffer {
  const missing = (ALIGNMENT_BYTES - (bytes.length % ALIGNMENT_BYTES)) % ALIGNMENT_BYTES;
  return Buffer.concat([bytes, Buffer.alloc(missing)]);
}
