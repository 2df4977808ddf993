/** Read the Python literals that exporters leave in metadata, without running anything. */

export type Literal = string | number | boolean | null | Literal[] | Map<string | number, Literal>;

/** Metadata is small; text beyond this is not looked at. */
const TEXT_MAX = 1_000_000;
const DEPTH_MAX = 8;

const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  r: "\r",
  t: "\t",
  b: "\b",
  f: "\f",
  "/": "/",
  "\\": "\\",
  "'": "'",
  '"': '"',
};

/** Digits of `\xNN`, `\uNNNN`, `\UNNNNNNNN`. */
const ESCAPE_DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

const WORDS: Readonly<Record<string, Literal>> = {
  True: true,
  False: false,
  None: null,
  true: true,
  false: false,
  null: null,
};

/**
 * The value of a Python or JSON literal: strings, numbers, booleans, None, lists, tuples (as lists) and dicts.
 * @returns undefined when the text is anything else
 */
export function parseLiteral(text: string): Literal | undefined {
  if (text.length > TEXT_MAX) return undefined;
  try {
    return new Parser(text).whole();
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return undefined;
    throw thrown;
  }
}

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): Literal {
    const value = this.#value(0);
    if (this.#peek() !== "") throw new SyntaxError("Text after the literal");
    return value;
  }

  /** The next character after white space, empty at the end. */
  #peek(): string {
    while (/\s/.test(this.#text[this.#at] ?? "")) this.#at++;
    return this.#text[this.#at] ?? "";
  }

  #take(char: string): boolean {
    if (this.#peek() !== char) return false;
    this.#at++;
    return true;
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? null;
    this.#at += found?.length ?? 0;
    return found;
  }

  #value(depth: number): Literal {
    if (depth > DEPTH_MAX) throw new SyntaxError("Nested too deeply");
    const char = this.#peek();
    if (char === "'" || char === '"') return this.#string(char);
    if (this.#take("[")) return this.#list("]", depth);
    if (this.#take("(")) return this.#list(")", depth);
    if (this.#take("{")) return this.#dict(depth);
    const number = this.#match(/[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?/y);
    if (number !== null) return Number(number);
    const word = this.#match(/[A-Za-z]+/y);
    if (word !== null && Object.hasOwn(WORDS, word)) return WORDS[word]!;
    throw new SyntaxError("Not a literal");
  }

  #list(close: string, depth: number): Literal[] {
    const items: Literal[] = [];
    while (!this.#take(close)) {
      items.push(this.#value(depth + 1));
      if (!this.#take(",") && this.#peek() !== close) throw new SyntaxError("A comma is missing");
    }
    return items;
  }

  #dict(depth: number): Map<string | number, Literal> {
    const entries = new Map<string | number, Literal>();
    while (!this.#take("}")) {
      const key = this.#value(depth + 1);
      if (typeof key !== "string" && typeof key !== "number") throw new SyntaxError("Not a key");
      if (!this.#take(":")) throw new SyntaxError("A colon is missing");
      entries.set(key, this.#value(depth + 1));
      if (!this.#take(",") && this.#peek() !== "}") throw new SyntaxError("A comma is missing");
    }
    return entries;
  }

  #string(quote: string): string {
    this.#at++;
    let value = "";
    for (;;) {
      const char = this.#text[this.#at++];
      if (char === undefined) throw new SyntaxError("The string does not end");
      if (char === quote) return value;
      value += char === "\\" ? this.#escape() : char;
    }
  }

  #escape(): string {
    const char = this.#text[this.#at++] ?? "";
    const digits = ESCAPE_DIGITS[char];
    if (digits !== undefined) {
      const hex = this.#text.slice(this.#at, this.#at + digits);
      if (!/^[0-9a-fA-F]+$/.test(hex) || hex.length < digits) throw new SyntaxError("Not hexadecimal");
      this.#at += digits;
      const point = parseInt(hex, 16);
      if (point > 0x10ffff) throw new SyntaxError("Not a code point");
      return String.fromCodePoint(point);
    }
    const plain = ESCAPES[char];
    if (plain === undefined) throw new SyntaxError("Not an escape");
    return plain;
  }
}
