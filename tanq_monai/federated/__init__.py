"""Hospitals that train one segmenter together: scans and labels stay where they are, weights go to and fro.

``exchange`` is what goes over the wire, ``site`` what a hospital does in a round, ``rounds`` what the server does, and
``flare`` both as parts of NVIDIA FLARE, which has an environment of its own: ``requirements/federated.txt``.
"""
