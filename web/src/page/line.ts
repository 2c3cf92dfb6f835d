/** The workers that read and label scans, as the page sees them: one scan at a time, and an end at once on a stop. */

import type { Dropped } from "../scans/volume.ts";
import type { Network, Request, Told } from "../worker.ts";
import program from "../../assets/worker.txt";

const MOST = 4; // labellers side by side; each holds some 150 MB

export class Line {
  private readonly address = URL.createObjectURL(new Blob([program], { type: "text/javascript" }));
  private readonly labellers: Worker[];
  private readonly ready: Promise<void>;
  private reader: Worker;

  /**
   * @param network is given to the labellers as soon as it is there.
   * @param hear what the reader tells.
   */
  constructor(network: Promise<Network>, private readonly hear: (told: Told) => void) {
    const count = Math.max(1, Math.min(MOST, navigator.hardwareConcurrency));
    this.labellers = Array.from({ length: count }, () => this.started());
    for (const labeller of this.labellers) void network.then((one) => ask(labeller, { network: one }));
    this.ready = network.then(() => undefined);
    this.reader = this.startedReader();
  }

  /** Reads and labels dropped files, as soon as the network is there. */
  async label(scan: Dropped[]): Promise<void> {
    const { reader } = this;
    await this.ready;
    ask(reader, { scan });
  }

  /** Ends what is being done; a labeller may still finish its slice. */
  stop(): void {
    this.reader.terminate();
    this.reader = this.startedReader();
  }

  private startedReader(): Worker {
    const reader = this.started();
    reader.onmessage = ({ data }: MessageEvent<Told>) => this.hear(data);
    const ports = this.labellers.map((labeller) => {
      const { port1, port2 } = new MessageChannel();
      void this.ready.then(() => ask(labeller, { port: port1 }, [port1]));
      return port2;
    });
    ask(reader, { ports }, ports);
    return reader;
  }

  private started(): Worker {
    const worker = new Worker(this.address);
    worker.onerror = ({ message }) => this.hear({ told: "failed", line: message || "the program could not be started" });
    return worker;
  }
}

function ask(worker: Worker, request: Request, transfer: Transferable[] = []): void {
  worker.postMessage(request, transfer);
}
