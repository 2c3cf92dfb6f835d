/** What is used of a package that has no types. */
declare module "jpeg-lossless-decoder-js" {
  export class Decoder {
    decode(buffer: ArrayBuffer): Uint8Array | Uint16Array;
  }
}
