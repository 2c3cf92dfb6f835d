"""One HTML page about a folder of segmentations; and where to look in a scan, for the demo's pictures as well."""

from tanq_monai.report.folder import write_report

__all__ = ["write_report"]
