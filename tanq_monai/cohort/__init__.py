"""Thousands of scans, labelled by any number of workers: processes of this machine, or jobs of a cluster."""

from tanq_monai.cohort.cohort import Cohort, label_cohort

__all__ = ["Cohort", "label_cohort"]
