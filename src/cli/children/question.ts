/** What a child of `trtd serve` is asked: a line of JSON on standard input, which stays open while the answer is wanted. */
const QUESTION_CHARACTERS_MAX = 1_048_576;

export interface Asked<Question> {
  readonly question: Question;
  /** Resolves when nobody waits for the answer any more. */
  readonly closed: Promise<void>;
}

/**
 * Waits for the question.
 * @param stream UTF-8 @default standard input
 * @returns null when nobody asks
 * @throws {Error} when the line is longer than 1 MiB, or no JSON: only this program writes it
 */
export async function questionFrom<Question>(
  stream: ReadableStream<Uint8Array<ArrayBuffer>> = Deno.stdin.readable,
): Promise<Asked<Question> | null> {
  const input = stream.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("\n")) {
    if (text.length > QUESTION_CHARACTERS_MAX) throw new Error("The question is too long");
    const { value, done } = await input.read();
    if (done) return null;
    text += value;
  }
  return { question: JSON.parse(text) as Question, closed: atEnd(input) };
}

async function atEnd(input: ReadableStreamDefaultReader<string>): Promise<void> {
  while (!(await input.read()).done);
}
