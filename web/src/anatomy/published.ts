/** The figures of `tanq_monai/anatomy/published.yaml`: twin of `tanq_monai/anatomy/published.py`. */

import { facts } from "../facts.ts";

export const published = facts.published;
export const bounds = facts.plausible;
