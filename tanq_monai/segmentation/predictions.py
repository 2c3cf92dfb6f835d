"""The files of a folder of predictions: ``{case}`` and one of these endings."""

LABEL = "_Label.nii.gz"
CONFIDENCE = "_Confidence.nii.gz"
"""Mean probability of the label that won, [0, 1]."""
AGREEMENT = "_Agreement.nii.gz"
"""Share of the models that voted for the label that won, [0, 1]."""
