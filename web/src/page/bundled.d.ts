/** What the build puts into the page as text or bytes. */
declare module "*.txt" {
  const text: string;
  export default text;
}
declare module "*.onnx" {
  const bytes: Uint8Array;
  export default bytes;
}
declare module "*.wasm" {
  const bytes: Uint8Array;
  export default bytes;
}
