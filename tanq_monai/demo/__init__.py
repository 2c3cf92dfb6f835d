"""The demo: a phantom patient in, a segmented hrT2 scan and a report out."""
