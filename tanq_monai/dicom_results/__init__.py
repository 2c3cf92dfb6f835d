"""What is written as DICOM about a DICOM series: what its patient, its study and its regions are called there."""
