/** A place on a terminal that is drawn again and again. */
export interface Screen {
  /** Draws lines over those drawn before; what does not fit is cut. */
  draw(lines: readonly string[]): void;
  /** Leaves what was drawn where it is: what follows comes below it. */
  leave(): void;
}

export interface Terminal {
  readonly columns: number;
  readonly rows: number;
  write(text: string): void;
}

const CURSOR_UP = (lines: number): string => (lines === 0 ? "" : `\u001b[${lines}A`);
const CLEAR_LINE = "\u001b[K";
const CLEAR_BELOW = "\u001b[J";

export function createScreen(terminal: Terminal): Screen {
  let drawn = 0;
  return {
    draw(lines) {
      const shown = lines.slice(0, Math.max(1, terminal.rows - 1));
      const text = shown.map((line) => `${line.slice(0, Math.max(1, terminal.columns - 1))}${CLEAR_LINE}\n`);
      terminal.write(`${CURSOR_UP(drawn)}\r${text.join("")}${CLEAR_BELOW}`);
      drawn = shown.length;
    },
    leave() {
      drawn = 0;
    },
  };
}
