/** Where the voxels of a scan lie: twin of `tanq_monai/scans/grid.py`. */

/** Voxel to mm, RAS, (4, 4). */
export type Affine = number[][];
export type Triple = [number, number, number];

/** What a NIfTI header says of the place; a label gets it as it is. */
export interface Placing {
  qfac: number;
  pixdim: Triple;
  /** xyzt_units. */
  units: number;
  qformCode: number;
  sformCode: number;
  /** quatern_b, _c, _d. */
  quaternion: Triple;
  /** qoffset_x, _y, _z. */
  offset: Triple;
  /** srow_x, _y, _z: (3, 4). */
  srows: number[][];
}

export interface Grid {
  /** Voxels (i, j, k). */
  shape: Triple;
  affine: Affine;
  placing: Placing;
}

/** Of each axis of an array: which axis it becomes, and -1 where it is flipped. */
export interface Turn {
  axis: Triple;
  flip: Triple;
}

/** Lengths of the columns of an affine: voxel edges in mm. */
export function edgesOf(affine: Affine): Triple {
  return [0, 1, 2].map((column) => Math.hypot(...[0, 1, 2].map((row) => affine[row]![column]!))) as Triple;
}

/** Scanner axis of each voxel axis to the nearest, and -1 where it points to the other end; as nibabel finds them. */
export function orientationOf(affine: Affine): Turn {
  const rotation = nearestRotation(affine);
  const found: Turn = { axis: [0, 0, 0], flip: [1, 1, 1] };
  const strength = [0, 1, 2].map((column) => Math.max(...rotation.map((row) => row[column]! ** 2)));
  const columns = [0, 1, 2].sort((one, other) => strength[other]! - strength[one]! || one - other);
  const free = new Set([0, 1, 2]);
  for (const column of columns) {
    const row = [...free].reduce((best, one) =>
      Math.abs(rotation[one]![column]!) > Math.abs(rotation[best]![column]!) ? one : best,
    );
    free.delete(row);
    found.axis[column] = row;
    found.flip[column] = rotation[row]![column]! < 0 ? -1 : 1;
  }
  return found;
}

/** How axes that lie as an affine says become axes that point as `to` names it, e.g. LPS. */
export function reorientation(affine: Affine, to: string): Turn {
  const from = orientationOf(affine);
  const ends = [...to].map((letter) => ["LR", "PA", "IS"].findIndex((pair) => pair.includes(letter)));
  const signs = [...to].map((letter) => ("RAS".includes(letter) ? 1 : -1));
  const axis = from.axis.map((end) => ends.indexOf(end)) as Triple;
  const flip = axis.map((target, column) => (signs[target] === from.flip[column] ? 1 : -1)) as Triple;
  return { axis, flip };
}

/** Calls back with the index of every stored voxel (i fastest) and of where it lies in a turned array (last axis fastest). */
export function eachTurned(shape: Triple, turn: Turn, visit: (stored: number, turned: number) => void): void {
  const size = turnedShape(shape, turn);
  const strides = [size[1] * size[2], size[2], 1];
  const steps = turn.axis.map((axis, n) => strides[axis]! * turn.flip[n]!) as Triple;
  let start = 0;
  turn.axis.forEach((axis, n) => (start += turn.flip[n]! < 0 ? strides[axis]! * (shape[n]! - 1) : 0));
  let stored = 0;
  for (let k = 0; k < shape[2]; k++) {
    for (let j = 0; j < shape[1]; j++) {
      let turned = start + k * steps[2] + j * steps[1];
      for (let i = 0; i < shape[0]; i++, turned += steps[0]) visit(stored++, turned);
    }
  }
}

/** Shape (i, j, k) with its axes permuted. */
export function turnedShape(shape: Triple, turn: Turn): Triple {
  const turned: Triple = [0, 0, 0];
  turn.axis.forEach((axis, n) => (turned[axis] = shape[n]!));
  return turned;
}

/** The grid of what has no NIfTI header: both transforms are the affine, in the scanner. */
export function inScanner(shape: Triple, affine: Affine): Grid {
  const edges = edgesOf(affine);
  const { quaternion, qfac } = quaternionOf(affine);
  const offset = [0, 1, 2].map((row) => affine[row]![3]!) as Triple;
  const placing: Placing = { qfac, pixdim: edges, units: 2, qformCode: 1, sformCode: 1, quaternion, offset, srows: affine.slice(0, 3) };
  return { shape, affine, placing };
}

/** The rotation of a quaternion of which b, c, d are given; a is what makes its length 1. */
export function rotationOf([b, c, d]: Triple): number[][] {
  const a = Math.sqrt(Math.max(0, 1 - (b * b + c * c + d * d)));
  return [
    [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
    [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
    [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
  ];
}

function quaternionOf(affine: Affine): { quaternion: Triple; qfac: number } {
  const turned = nearestRotation(affine);
  const qfac = determinant(turned) < 0 ? -1 : 1;
  const m = turned.map((row) => [row[0]!, row[1]!, row[2]! * qfac]) as [Triple, Triple, Triple];
  const squares = [
    1 + m[0][0] + m[1][1] + m[2][2],
    1 + m[0][0] - m[1][1] - m[2][2],
    1 - m[0][0] + m[1][1] - m[2][2],
    1 - m[0][0] - m[1][1] + m[2][2],
  ]; // four times those of a, b, c, d
  const largest = squares.indexOf(Math.max(...squares));
  const products = [
    [squares[0]!, m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1]],
    [m[2][1] - m[1][2], squares[1]!, m[0][1] + m[1][0], m[0][2] + m[2][0]],
    [m[0][2] - m[2][0], m[0][1] + m[1][0], squares[2]!, m[1][2] + m[2][1]],
    [m[1][0] - m[0][1], m[0][2] + m[2][0], m[1][2] + m[2][1], squares[3]!],
  ][largest]!; // of the largest one with each, times 4
  const scale = 2 * Math.sqrt(squares[largest]!);
  const sign = products[0]! < 0 ? -1 : 1;
  return { quaternion: products.slice(1).map((one) => (sign * one) / scale) as Triple, qfac };
}

/** The orthogonal matrix nearest to the directions of an affine's columns: their polar factor, by Newton's iteration. */
function nearestRotation(affine: Affine): number[][] {
  const edges = edgesOf(affine).map((edge) => edge || 1);
  let matrix = [0, 1, 2].map((row) => [0, 1, 2].map((column) => affine[row]![column]! / edges[column]!));
  for (let round = 0; round < 60; round++) {
    const inverse = inverseTransposed(matrix);
    const next = matrix.map((row, n) => row.map((value, m) => (value + inverse[n]![m]!) / 2));
    const change = Math.max(...next.flatMap((row, n) => row.map((value, m) => Math.abs(value - matrix[n]![m]!))));
    matrix = next;
    if (change < 1e-15) break;
  }
  return matrix;
}

/** Of the upper left (3, 3). */
export function inverseTransposed(m: number[][]): number[][] {
  const by = determinant(m);
  return [0, 1, 2].map((r) => [0, 1, 2].map((c) => cofactor(m, r, c) / by));
}

/** Of the upper left (3, 3). */
export function determinant(m: number[][]): number {
  return [0, 1, 2].reduce((sum, column) => sum + m[0]![column]! * cofactor(m, 0, column), 0);
}

function cofactor(m: number[][], row: number, column: number): number {
  const [r, s] = [(row + 1) % 3, (row + 2) % 3];
  const [c, d] = [(column + 1) % 3, (column + 2) % 3];
  return m[r]![c]! * m[s]![d]! - m[r]![d]! * m[s]![c]!;
}
