/** A user's mistake, told in one line: twin of `tanq_monai/errors.py`. */

export class InputError extends Error {
  /**
   * @param where the file, folder or setting.
   * @param problem what is wrong with it.
   * @param remedy what the user can do.
   */
  constructor(where: string, problem: string, remedy: string) {
    super(printable(`${where}: ${problem}; ${remedy}`));
    this.name = "InputError";
  }
}

/** One line without anything that a screen would act on. */
export function printable(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu, (letter) => {
    const code = letter.codePointAt(0)!;
    const named: Record<number, string> = { 9: "\\t", 10: "\\n", 13: "\\r" };
    const digits = code < 0x100 ? ["x", 2] : code < 0x10000 ? ["u", 4] : ["U", 8];
    return named[code] ?? `\\${digits[0]}${code.toString(16).padStart(Number(digits[1]), "0")}`;
  });
}
