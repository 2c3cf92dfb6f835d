/** Statistics as NumPy has them. */

/** Percentile `100 * share` of some values, which are sorted in place; linear between two of them. */
export function percentile(values: Float64Array, share: number): number {
  const sorted = values.sort();
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (place - below) * (sorted[above]! - sorted[below]!);
}
