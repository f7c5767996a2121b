import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { digestSecret, makeKey, parseKey, secretMatches } from "./api-key.ts";

const secretBytes = fc.uint8Array({ minLength: 32, maxLength: 32 });
const id = fc.stringMatching(/^[0-9A-Za-z]{13}$/);
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-.";

describe("an API key", () => {
  test("is read as it was made", () => {
    fc.assert(
      fc.property(id, secretBytes, (keyId, bytes) => {
        const { text, secret } = makeKey(keyId, bytes);
        expect(parseKey(text)).toEqual({ id: keyId, secret });
        expect(text).toMatch(/^coop_[0-9A-Za-z]{13}_[0-9A-Za-z]{49}$/);
      }),
    );
  });

  test("is refused with any one character changed, dropped, doubled or swapped with its neighbour", () => {
    const { text } = makeKey("key0000000001", new Uint8Array(32).fill(200));
    for (let at = 0; at < text.length; at++) {
      for (const character of ALPHABET) {
        if (character !== text[at])
          expect(parseKey(text.slice(0, at) + character + text.slice(at + 1))).toBeNull();
      }
      const swapped = text.slice(0, at) + (text[at + 1] ?? "") + (text[at] ?? "") + text.slice(at + 2);
      expect(parseKey(text.slice(0, at) + text.slice(at + 1))).toBeNull();
      expect(parseKey(text.slice(0, at) + text.slice(at, at + 1).repeat(2) + text.slice(at + 1))).toBeNull();
      if (swapped !== text) expect(parseKey(swapped)).toBeNull();
    }
  });

  test("is stored as a digest that another secret, or another pepper, does not have", () => {
    fc.assert(
      fc.property(secretBytes, secretBytes, secretBytes, secretBytes, (one, other, pepper, otherPepper) => {
        fc.pre(!Buffer.from(one).equals(other) && !Buffer.from(pepper).equals(otherPepper));
        const { secret } = makeKey("key0000000001", one);
        const digest = digestSecret(pepper, secret);
        expect(digest).not.toContain(secret);
        expect(secretMatches(pepper, secret, digest)).toBe(true);
        expect(secretMatches(pepper, makeKey("key0000000001", other).secret, digest)).toBe(false);
        expect(secretMatches(otherPepper, secret, digest)).toBe(false);
        expect(secretMatches(pepper, secret, "")).toBe(false);
      }),
    );
  });
});
