/** onnxruntime and the segmenter as a script of their own, so that the page is there before them. */

import wasm from "../../node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm";
import model from "../../assets/model.onnx";

dispatchEvent(new CustomEvent("network", { detail: { wasm, model } }));
