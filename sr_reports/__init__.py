"""A signed opinion becomes a DICOM Structured Report and a PDF."""
