/** The network on onnxruntime-web, one thread: twin of `tanq_monai/deploy/engines/on_onnxruntime.py`. */

import { InferenceSession, Tensor, env } from "onnxruntime-web/wasm";
import { facts } from "../../facts.ts";

/** Logits (K, y, x) of a window (y, x). */
export type Engine = (window: Float32Array) => Promise<Float32Array>;

/**
 * @param wasm the runtime, compiled.
 * @param model the ONNX file.
 */
export async function openEngine(wasm: Uint8Array, model: Uint8Array): Promise<Engine> {
  env.wasm.numThreads = 1; // more want headers that only a server can give: slices are shared among workers instead
  env.wasm.wasmBinary = wasm;
  env.logLevel = "error";
  const session = await InferenceSession.create(model, { executionProviders: ["wasm"] });
  const size = [1, 1, ...facts.segmenter.patch_size];
  return async (window) => {
    const results = await session.run({ image: new Tensor("float32", window, size) });
    return results["logits"]!.data as Float32Array;
  };
}
