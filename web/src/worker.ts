/** Beside the page: a reader, which reads and labels scans, and labellers, which label slices for it. */

import { type Engine, openEngine } from "./deploy/engines/on_onnxruntime.ts";
import { type Labelled, run } from "./deploy/runtime/run.ts";
import { type Labeller, type Task, labellerOf } from "./deploy/runtime/segmentation.ts";
import { InputError } from "./errors.ts";
import type { Dropped, Volume } from "./scans/volume.ts";

/** What the network needs: onnxruntime compiled, and the ONNX file. */
export interface Network {
  wasm: Uint8Array;
  model: Uint8Array;
}

/** A reader gets the ports of labellers, then scans; a labeller a network, and then ports. */
export type Request = { ports: MessagePort[] } | { scan: Dropped[] } | { network: Network } | { port: MessagePort };

/** What a reader tells. */
export type Told =
  | { told: "read"; scan: Volume }
  | { told: "done"; slices: number; all: number }
  | { told: "labelled"; labelled: Labelled }
  | { told: "refused"; line: string }
  | { told: "failed"; line: string };

type Answer = { label: Uint8Array } | { failed: string };

let labellers: Labeller[];
let engine: Promise<Engine>;

self.onmessage = ({ data }: MessageEvent<Request>) => {
  if ("ports" in data) labellers = data.ports.map(labellerAt);
  else if ("scan" in data) void label(data.scan);
  else if ("network" in data) engine = openEngine(data.network.wasm, data.network.model);
  else serve(data.port);
};

async function label(scan: Dropped[]): Promise<void> {
  const tell = (told: Told) => self.postMessage(told);
  try {
    const labelled = await run(scan, labellers, {
      read: (volume) => tell({ told: "read", scan: volume }),
      done: (slices, all) => tell({ told: "done", slices, all }),
    });
    tell({ told: "labelled", labelled });
  } catch (error) {
    const line = error instanceof Error ? error.message : String(error);
    tell(error instanceof InputError ? { told: "refused", line } : { told: "failed", line });
  }
}

/** The labeller at the other end of a port, which does one slice after the other. */
function labellerAt(port: MessagePort): Labeller {
  return (task) =>
    new Promise((resolve, reject) => {
      port.onmessage = ({ data }: MessageEvent<Answer>) =>
        "failed" in data ? reject(new Error(data.failed)) : resolve(data.label);
      port.postMessage(task);
    });
}

function serve(port: MessagePort): void {
  port.onmessage = async ({ data }: MessageEvent<Task>) => {
    let answer: Answer;
    try {
      answer = { label: await labellerOf(await engine)(data) };
    } catch (error) {
      answer = { failed: String(error) };
    }
    port.postMessage(answer);
  };
}
