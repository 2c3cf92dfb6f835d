"""The bundles as applications of MONAI Deploy: DICOM in, DICOM and a report out. Research use only.

``python -m tanq_monai.deploy.app``. Only ``operators`` and ``application`` need holoscan and the MONAI Deploy App SDK.
"""
