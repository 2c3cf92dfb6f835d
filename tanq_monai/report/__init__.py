"""One HTML page about a folder of segmentations; and where to look in a scan, which the demo's pictures need as well."""

from tanq_monai.report.folder import write_report

__all__ = ["write_report"]
