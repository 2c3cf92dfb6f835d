/** Numbers as Python rounds and prints them, so that the same mistake is told in the same line. */

/** The nearest whole number; of two the even one. */
export function roundEven(x: number): number {
  const below = Math.floor(x);
  if (x - below !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}

/** `f"{x:.{digits}g}"`. */
export function general(x: number, digits = 6): string {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "-inf";
  const [mantissa, power] = x.toExponential(digits - 1).split("e") as [string, string];
  const exponent = Number(power);
  if (exponent >= -4 && exponent < digits) return trimmed(x.toFixed(digits - 1 - exponent));
  const places = String(Math.abs(exponent)).padStart(2, "0");
  return `${trimmed(mantissa)}e${exponent < 0 ? "-" : "+"}${places}`;
}

/** `f"{x:,.0f}"`. */
export function thousands(x: number): string {
  return String(roundEven(x)).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** A number as Python's `repr` has it: floats keep their point. */
export function float(x: number): string {
  if (Number.isInteger(x) && Math.abs(x) < 1e16) return `${x}.0`;
  const text = String(x);
  const small = /^(-?)0\.0{4,}[1-9]/.test(text);
  if (!small && !text.includes("e")) return text;
  const [mantissa, power] = x.toExponential().split("e") as [string, string];
  return `${mantissa}e${power[0]}${power.slice(1).padStart(2, "0")}`;
}

/** A tuple as Python prints it. */
export function tuple(values: ArrayLike<number>): string {
  const items = Array.from(values).join(", ");
  return values.length === 1 ? `(${items},)` : `(${items})`;
}

function trimmed(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}
